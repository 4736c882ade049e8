#include "loadstone/server/internal/command_session.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/server/server.h"
#include "loadstone/store/migrations.h"

namespace loadstone::server::internal {

namespace {

const Config& with_schema(const Config& config, const std::vector<Module>& modules) {
    require_access(config);
    const auto all = migrations_of(modules);
    const auto missing = store::plan_migrations(config.database, all);
    if (missing.empty()) return config;
    std::size_t steps = 0;
    for (const auto& module : all) steps += module.steps.size();
    const std::string url = without_password(config.database.url);
    if (missing.size() == steps) {
        throw Error(
            Errc::unavailable,
            fmt::format(
                "the database {} has not been set up: no server has run on it, or --data or "
                "--database names another one",
                url));
    }
    throw Error(
        Errc::unavailable,
        fmt::format(
            "the schema of {} lacks {} of this program's {} steps: run the migrate command, or "
            "start a server on it",
            url, missing.size(), steps));
}

// What a command does may not make the servers give connections up.
store::DatabaseOptions as_guest(const Config& config) {
    store::DatabaseOptions options = config.database;
    options.connections.is_guest = true;
    return options;
}

}  // namespace

void print(std::string_view text) {
    const std::string safe = printable(text);
    std::fwrite(safe.data(), 1, safe.size(), stdout);
}

void require_access(const Config& config) {
    if (::access(config.data.c_str(), F_OK) == 0 &&
        ::access(config.data.c_str(), R_OK | X_OK) != 0) {
        throw Error(Errc::permission_denied,
                    fmt::format("the data folder {} may not be read by this user: run this as the "
                                "server's user",
                                config.data));
    }
}

CommandSession::CommandSession(const Config& config, const std::vector<Module>& modules,
                               std::chrono::minutes deadline)
    : loops_({.threads = 1, .blocked_after = std::chrono::milliseconds(60'000)}, registry_),
      statement_budgets_(config.database.budget, registry_),
      database_(store::open_database(as_guest(with_schema(config, modules)), registry_)),
      cache_(config.cache, views_of(modules), *database_, registry_),
      queue_(jobs_of(modules, config), cache_.database(), registry_),
      recorder_(facts_of(modules), config.analytics.waiting_max, registry_),
      context_(services_, Deadline::in(deadline)) {
    context_.reading().freshness = latest;  // an operator asks for what is
    services_.add<telemetry::Registry>(registry_);
    services_.add<store::Database>(cache_.database());
    services_.add<jobs::Queue>(queue_);
    for (const Module& module : modules)
        places_.jobs_max.emplace(module.name, module.budget.jobs_max);
    services_.add<jobs::ModulePlaces>(places_);
    services_.add<analytics::Recorder>(recorder_);
    services_.add<store::StatementBudgets>(statement_budgets_);
    for (const Module& module : modules) {
        if (module.budget.statements)
            statement_budgets_.set(module.name, *module.budget.statements);
    }
    loops_.start();
    database_->start(loops_);
}

CommandSession::~CommandSession() {
    database_->stop();
    loops_.stop();
}

}  // namespace loadstone::server::internal
