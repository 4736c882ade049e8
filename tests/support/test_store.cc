#include "tests/support/test_store.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "tests/support/pg_bouncer.h"
#include "tests/support/postgres_server.h"

namespace tests {

namespace store = loadstone::store;

namespace {

// Started when first asked for, stopped when the program ends.
PostgresServer& shared_server() {
    static PostgresServer server;
    return server;
}

PgBouncer& shared_bouncer() {
    static PgBouncer bouncer(shared_server());
    return bouncer;
}

// LOADSTONE_TEST_POOLED=1: what is tested on PostgreSQL is tested behind PgBouncer instead.
bool are_all_pooled() {
    const char* const value = std::getenv("LOADSTONE_TEST_POOLED");
    return value != nullptr && std::string_view(value) == "1";
}

std::string fresh_name() {
    static std::atomic<int> count{0};
    return "test_" + std::to_string(::getpid()) + "_" + std::to_string(count.fetch_add(1));
}

}  // namespace

std::string to_string(Backend backend) {
    switch (backend) {
        case Backend::sqlite: return "sqlite";
        case Backend::postgres: return "postgres";
        case Backend::pgbouncer: return "pgbouncer";
    }
    return "";
}

TestDatabase::TestDatabase(Backend backend) {
    if (backend == Backend::sqlite) {
        directory_.emplace();
        url_ = "sqlite:" + (directory_->path() / "test.db").string();
        return;
    }
    server_ = &shared_server();
    name_ = fresh_name();
    server_->create_database(name_);
    const bool is_pooled = backend == Backend::pgbouncer || are_all_pooled();
    url_ = is_pooled ? shared_bouncer().url(name_) : server_->url(name_);
}

TestDatabase::TestDatabase(PostgresServer& server) : server_(&server), name_(fresh_name()) {
    server_->create_database(name_);
    url_ = server_->url(name_);
}

TestDatabase::~TestDatabase() {
    if (server_ == nullptr) return;
    try {
        server_->drop_database(name_);
    } catch (const std::exception&) {
        // It ends with its server.
    }
}

TestStore::TestStore(const store::DatabaseOptions& options, int threads)
    : loops_({.threads = threads, .blocked_after = std::chrono::milliseconds(500)}, registry_),
      calls_("test calls"),
      budgets_(options.budget, registry_),
      database_(store::open_database(options, registry_)) {
    services_.add<loadstone::telemetry::Registry>(registry_);
    services_.add<store::Database>(*database_);
    services_.add<store::StatementBudgets>(budgets_);
    loops_.start();
    database_->start(loops_);
}

TestStore::~TestStore() { stop(); }

void TestStore::stop() {
    if (std::exchange(is_stopped_, true)) return;
    calls_.close();
    calls_.join_blocking(loadstone::runtime::Deadline::in(std::chrono::seconds(30)));
    database_->stop();
    loops_.stop();
}

store::DatabaseOptions test_options(const std::string& url) {
    store::DatabaseOptions options;
    options.url = url;
    options.connect_timeout = std::chrono::seconds(3);
    options.statistics.samples_plans = false;  // a thread and a connection that only few tests want
    return options;
}

}  // namespace tests
