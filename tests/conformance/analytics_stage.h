#pragma once
// What the tests of analytics share: a fact, a database, a store, and a feed between them.

#include <signal.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/feed.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/query.h"
#include "loadstone/analytics/sql.h"
#include "tests/conformance/conformance.h"
#include "tests/support/click_house_server.h"

namespace tests::conformance {

using loadstone::Timestamp;
namespace analytics = loadstone::analytics;

struct Visit {
    std::int64_t number = 0;
    std::string page;
    Timestamp at;
    std::optional<double> seconds;
};
BOOST_DESCRIBE_STRUCT(Visit, (), (number, page, at, seconds))

struct Sums {
    std::int64_t facts = 0, distinct = 0, sum = 0;
};
BOOST_DESCRIBE_STRUCT(Sums, (), (facts, distinct, sum))

inline constexpr analytics::Query sums{
    "sums",
    "select count(*) as facts, count(distinct number) as \"distinct\", "
    "coalesce(sum(number), 0) as sum from visits"};
inline Task<void> record_visits(Tx& tx, std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
        Visit visit;
        visit.number = i;
        visit.page = i % 2 == 0 ? "/home" : "/Übersicht";
        visit.at = {i * 1'000'000};
        if (i % 3 == 0) visit.seconds = 0.5 * static_cast<double>(i);
        co_await analytics::record(tx, visit);
    }
}
inline Task<void> write_visits(Context& context, std::int64_t from, std::int64_t to) {
    co_await context.write(record_visits, from, to);
}
inline Task<std::int64_t> facts_kept(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(analytics::sql::facts_kept);
}

// Which database the facts come from, and where they go.
struct Way {
    Backend database = Backend::sqlite;
    bool is_to_clickhouse = false;
};
inline std::string to_string(const Way& way) {
    return tests::to_string(way.database) + (way.is_to_clickhouse ? "_clickhouse" : "");
}

inline ClickHouseServer& clickhouse() {
    static ClickHouseServer server;
    return server;
}

class Analytics : public ::testing::TestWithParam<Way> {
protected:
    Analytics() : database_(GetParam().database), options_(test_options(database_.url())) {
        auto modules = all_migrations();
        modules.push_back({"loadstone_analytics", analytics::sql::migrations});
        loadstone::store::migrate(options_, modules);
        facts_options_.folder = (folder_.path() / "analytics").string();
        facts_options_.socket = (folder_.path() / "analytics.sock").string();
        facts_options_.program =
            std::string(std::getenv("LOADSTONE_BUILD_DIR")) + "/bin/loadstone-duckdb";
        facts_options_.batch_facts = 100;
        facts_options_.queries_max = 2;
        facts_options_.lease = std::chrono::milliseconds(300);
        if (is_to_clickhouse()) facts_options_.store = clickhouse().url("facts");
    }
    ~Analytics() override {
        stop();
        if (is_to_clickhouse()) clickhouse().run("default", "drop database facts");
    }
    static bool is_to_clickhouse() { return GetParam().is_to_clickhouse; }
    TestStore& store() {
        if (!store_) store_.emplace(options_);
        return *store_;
    }

    // As a program that declares the fact as T.
    template <class T>
    void start(std::int64_t waiting_max = 1'000'000) {
        auto declare = [](analytics::Facts& facts) { facts.table<T>("visits"); };
        start_with(declare, waiting_max);
    }
    void start_with(loadstone::FunctionRef<void(analytics::Facts&)> declare,
                    std::int64_t waiting_max = 1'000'000) {
        store_.emplace(options_);
        std::vector<analytics::FactTable> tables;
        analytics::Facts declared("conformance", tables);
        declare(declared);
        recorder_ = std::make_unique<analytics::Recorder>(tables, waiting_max, store().registry());
        analytics_ = std::make_unique<analytics::Analytics>(facts_options_, store().registry());
        auto& services = const_cast<loadstone::runtime::Services&>(store().services());
        services.add<analytics::Recorder>(*recorder_);
        services.add<analytics::Analytics>(*analytics_);
        new_feed();
    }
    void new_feed() {
        feed_.reset();
        feed_ = std::make_unique<analytics::Feed>(*analytics_, *recorder_, store().services(),
                                                  store().registry());
    }
    void stop() {
        if (store_) store_->stop();
        feed_.reset();
        analytics_.reset();
        recorder_.reset();
        store_.reset();
    }
    bool step_of(analytics::Feed& feed) {
        return store().run(
            [](Context& context, analytics::Feed* of) -> Task<bool> { return of->step(context); },
            &feed);
    }
    bool step() { return step_of(*feed_); }
    // Steps, through failures, until nothing waits.
    void carry_all() {
        ASSERT_TRUE(wait_until([&] {
            try {
                while (step()) {
                }
                return store().run(facts_kept) == 0;
            } catch (const Error&) {
                new_feed();  // as run() begins again
                if (is_to_clickhouse() && !clickhouse().is_running()) clickhouse().start();
                return false;
            }
        })) << "facts still wait";
    }
    Sums sums_of_store() {
        const auto answer =
            store().run([](Context& context) { return analytics::query<Sums>(context, sums); });
        return answer.rows.at(0);
    }
    void expect_visits(std::int64_t count) {
        const Sums found = sums_of_store();
        EXPECT_EQ(found.facts, count) << "lost or doubled";
        EXPECT_EQ(found.distinct, count);
        EXPECT_EQ(found.sum, count * (count - 1) / 2);
    }

    void kill_store() {
        if (is_to_clickhouse())
            clickhouse().kill();
        else
            ::kill(static_cast<pid_t>(analytics_->store().report().pid), SIGKILL);
    }

    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
    std::optional<TestStore> store_;
    TempDir folder_;
    analytics::Options facts_options_;
    std::unique_ptr<analytics::Recorder> recorder_;
    std::unique_ptr<analytics::Analytics> analytics_;
    std::unique_ptr<analytics::Feed> feed_;
};

}  // namespace tests::conformance
