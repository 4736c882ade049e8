// Facts come to the column store once each, whatever ends in between. The real store, a process.

#include "loadstone/analytics/analytics.h"

#include <fmt/core.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "loadstone/analytics/export.h"
#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/feed.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/feed_lease.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/analytics/query.h"
#include "loadstone/analytics/sql.h"
#include "tests/conformance/conformance.h"
#include "tests/support/click_house_server.h"

namespace tests::conformance {

using loadstone::Timestamp;
namespace analytics = loadstone::analytics;

namespace {

struct Visit {
    std::int64_t number = 0;
    std::string page;
    Timestamp at;
    std::optional<double> seconds;
};
BOOST_DESCRIBE_STRUCT(Visit, (), (number, page, at, seconds))

// The same fact in the next version of a program.
struct LaterVisit {
    std::int64_t number = 0;
    std::string page;
    Timestamp at;
    bool is_mobile = false;
};
BOOST_DESCRIBE_STRUCT(LaterVisit, (), (number, page, at, is_mobile))

struct Sums {
    std::int64_t facts = 0, distinct = 0, sum = 0;
};
BOOST_DESCRIBE_STRUCT(Sums, (), (facts, distinct, sum))

constexpr analytics::Query sums{"sums",
                                "select count(*) as facts, count(distinct number) as \"distinct\", "
                                "coalesce(sum(number), 0) as sum from visits"};
constexpr analytics::Query tables_of_visits{
    "tables_of_visits",
    "select count(*) as facts, 0 as \"distinct\", 0 as sum from duckdb_tables() where table_name = "
    "'visits'",
    "select count() as facts, 0 as \"distinct\", 0 as sum from system.tables where database = "
    "currentDatabase() and name = 'visits'"};
constexpr analytics::Query visits{
    "visits", "select number, page, \"at\", seconds from visits order by number"};
constexpr analytics::Query forever{"forever",
                                   "select count(*) as facts, 0 as \"distinct\", 0 as sum from "
                                   "range(1000000) a, range(1000000) b",
                                   "select count() as facts, 0 as \"distinct\", 0 as sum from "
                                   "system.numbers"};

Task<void> record_visits(Tx& tx, std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
        Visit visit;
        visit.number = i;
        visit.page = i % 2 == 0 ? "/home" : "/Übersicht";
        visit.at = {i * 1'000'000};
        if (i % 3 == 0) visit.seconds = 0.5 * static_cast<double>(i);
        co_await analytics::record(tx, visit);
    }
}
Task<void> write_visits(Context& context, std::int64_t from, std::int64_t to) {
    co_await context.write(record_visits, from, to);
}
Task<void> record_and_fail(Tx& tx) {
    co_await record_visits(tx, 1'000'000, 1'000'010);
    throw Error(Errc::conflict, "on purpose");
}
// Holds its transaction until it is told, asking the database meanwhile.
Task<void> record_and_hold(Tx& tx, std::atomic<bool>* has_recorded, std::atomic<bool>* may_end) {
    co_await record_visits(tx, 0, 1);
    while (!*may_end) {
        co_await tx.one<std::int64_t>(sql::item_count);
        *has_recorded = true;
    }
}
Task<void> write_and_hold(Context& context, std::atomic<bool>* has_recorded,
                          std::atomic<bool>* may_end) {
    co_await context.write(record_and_hold, has_recorded, may_end);
}
Task<void> write_and_fail(Context& context) { co_await context.write(record_and_fail); }
Task<void> record_later_visit(Tx& tx) {
    LaterVisit visit;
    visit.number = 10;
    visit.is_mobile = true;
    co_await analytics::record(tx, visit);
}
Task<void> write_later_visit(Context& context) { co_await context.write(record_later_visit); }
Task<analytics::ExportedFile> export_visits(Context& context, std::string name) {
    return analytics::export_rows(context, visits, std::move(name));
}
Task<analytics::ExportedFile> export_much(Context& context, std::string name) {
    static constexpr analytics::Query much{
        "much", "select range as number, repeat('x', 1000) as page from range(10000)",
        "select number, toFixedString('x', 1000) as page from system.numbers limit 10000"};
    return analytics::export_rows(context, much, std::move(name));
}
Task<analytics::ExportedFile> export_file_of_others(Context& context, std::string name) {
    static constexpr analytics::Query reads{"reads", "select * from read_csv('/etc/passwd')",
                                            "select * from file('/etc/passwd', 'TSV', 'a String')"};
    return analytics::export_rows(context, reads, std::move(name));
}
Task<std::int64_t> facts_kept(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(analytics::sql::facts_kept);
}

// Which database the facts come from, and where they go.
struct Way {
    Backend database = Backend::sqlite;
    bool is_to_clickhouse = false;
};
std::string to_string(const Way& way) {
    return tests::to_string(way.database) + (way.is_to_clickhouse ? "_clickhouse" : "");
}

ClickHouseServer& clickhouse() {
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
        store_.emplace(options_);
        std::vector<analytics::FactTable> tables;
        analytics::Facts declared("conformance", tables);
        declared.table<T>("visits");
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

// Where several servers reach the store.
class AnalyticsOfSeveral : public Analytics {};

// Where transactions may commit in another order than that of their facts: not on SQLite.
class AnalyticsBesideOthers : public Analytics {};

}  // namespace

TEST_P(Analytics, BringsWhatWasCommittedAndSaysAsOfWhen) {
    start<Visit>();
    EXPECT_EQ(code_of([&] { store().run(write_and_fail); }), Errc::conflict);
    const Timestamp before = Timestamp::now();
    store().run(write_visits, std::int64_t{0}, std::int64_t{250});
    const Timestamp written = Timestamp::now();
    carry_all();
    step();  // with nothing new
    expect_visits(250);
    const auto answer =
        store().run([](Context& context) { return analytics::query<Visit>(context, visits); });
    ASSERT_EQ(answer.rows.size(), 250U);
    EXPECT_EQ(answer.rows[3].page, "/Übersicht");
    EXPECT_EQ(answer.rows[3].at.micros, 3'000'000);
    EXPECT_EQ(answer.rows[3].seconds, 1.5);
    EXPECT_EQ(answer.rows[4].seconds, std::nullopt);
    EXPECT_GT(answer.as_of, before);
    EXPECT_GE(answer.as_of, written);
    EXPECT_EQ(store().run(facts_kept), 0) << "what was carried is not kept";
}

// Its fact has the lower number, and becomes visible after those behind it.
TEST_P(AnalyticsBesideOthers, WaitsForATransactionThatCommitsLater) {
    start<Visit>();
    std::atomic<bool> has_recorded{false}, may_end{false};
    auto held = store().start(Deadline::in(std::chrono::seconds(20)), write_and_hold, &has_recorded,
                              &may_end);
    ASSERT_TRUE(wait_until([&] { return has_recorded.load(); }));
    store().run(write_visits, std::int64_t{1}, std::int64_t{250});
    const Timestamp written = Timestamp::now();
    for (int i = 0; i < 5; ++i) step();
    const auto before = store().run(
        [](Context& context) { return analytics::query<Sums>(context, tables_of_visits); });
    EXPECT_EQ(before.rows.at(0).facts, 0) << "carried past a transaction that still ran";
    EXPECT_LT(before.as_of, written) << "what it does not show is not as of then";
    may_end = true;
    held.get();
    carry_all();
    step();
    expect_visits(250);
}

TEST_P(Analytics, LosesAndDoublesNothingWhenTheStoreIsKilled) {
    start<Visit>();
    std::int64_t written = 0;
    for (int kill = 0; kill < 5; ++kill) {
        store().run(write_visits, written, written + 350);
        written += 350;
        ASSERT_TRUE(wait_until([&] { return !code_of([&] { step(); }); })) << "it lives";
        // Somewhere within the steps of the other thread.
        std::thread killer([this] { kill_store(); });
        carry_all();
        killer.join();
    }
    carry_all();
    ASSERT_TRUE(wait_until([&] {
        try {
            step();
            return sums_of_store().facts > 0;
        } catch (const Error&) {
            return false;
        }
    }));
    expect_visits(written);
    if (!is_to_clickhouse()) EXPECT_GE(analytics_->store().report().restarts, 4);
}

TEST_P(Analytics, ABatchThatWasSentIsNotSentAgain) {
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    step();
    // Applied, and the process died before it could delete what it had sent.
    store().run(write_visits, std::int64_t{100}, std::int64_t{200});
    step();
    new_feed();
    carry_all();
    stop();
    start<Visit>();
    carry_all();
    step();
    expect_visits(200);
}

TEST_P(Analytics, AFactMayGetAMemberAndLoseOne) {
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{10});
    stop();  // the older program's facts still wait
    start<LaterVisit>();
    store().run(write_later_visit);
    // Nobody has declared the older form: the older program's feed never ran.
    EXPECT_EQ(code_of([&] {
                  while (step()) {
                  }
              }),
              Errc::unavailable);
    stop();
    start<Visit>();
    carry_all();
    step();
    expect_visits(11);
}

class AnalyticsWithALease : public Analytics {};

// As a copy of the database, put back from a backup, that still names the ClickHouse of the first.
TEST_P(AnalyticsWithALease, ACopyDoesNotTakeTheStoreFromTheFirst) {
    const std::string epochs = "select max(epoch), count() from loadstone_epochs";
    const auto is_refused = [this](Errc code) {
        stop();
        start<Visit>();
        return wait_until([&] { return code_of([&] { step(); }) == code; });
    };
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    carry_all();
    const std::string before = clickhouse().run("facts", epochs);
    EXPECT_EQ(
        clickhouse().run("facts",
                         "insert into loadstone_commits select epoch, version + 1, batch + 1, "
                         "'', low, high, seq + 1000, as_of, 0, 0, 0, 0 from loadstone_commits "
                         "where fact = '' order by version desc limit 1"),
        "");
    EXPECT_TRUE(is_refused(Errc::data_loss)) << "it has more than this database ever gave";
    EXPECT_EQ(clickhouse().run("facts", epochs), before) << "who feeds it is shut out";
    EXPECT_EQ(clickhouse().run("facts", "insert into loadstone_store values (1000, 'another')"),
              "");
    EXPECT_TRUE(is_refused(Errc::conflict)) << "another store";
    EXPECT_EQ(clickhouse().run("facts", epochs), before) << "who feeds it is shut out";
}

struct Prolonged {
    bool is_free_after = true, has_failed = false;
};
Task<Prolonged> work_for_two_leases(Context& context, analytics::Analytics* store) {
    namespace internal = loadstone::analytics::internal;
    using std::chrono::steady_clock;
    constexpr std::chrono::milliseconds lease(900);
    internal::FeedLease ours(lease), others(lease);
    co_await ours.take(context, 1);
    const auto end = steady_clock::now() + 2 * lease;
    auto work = [end] { wait_until([end] { return steady_clock::now() > end; }); };
    co_await internal::run_in_term(context, store->feeding(), ours.term(), work);
    Prolonged prolonged;
    prolonged.is_free_after = co_await others.is_ours_or_free(context);
    auto fails = [] { throw Error(Errc::unavailable, "on purpose"); };
    try {
        co_await internal::run_in_term(context, store->feeding(), ours.term(), fails);
    } catch (const Error& error) {
        prolonged.has_failed = error.code() == Errc::unavailable;
    }
    co_return prolonged;
}

TEST_P(AnalyticsWithALease, ItIsProlongedWhileTheStoreWorks) {
    start<Visit>();
    const Prolonged found = store().run(work_for_two_leases, analytics_.get());
    EXPECT_FALSE(found.is_free_after) << "another one takes it in the midst of a write";
    EXPECT_TRUE(found.has_failed);
}

INSTANTIATE_TEST_SUITE_P(On, AnalyticsWithALease, ::testing::Values(Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });

TEST_P(Analytics, RefusesFactsBeyondItsBound) {
    start<Visit>(150);
    store().run(write_visits, std::int64_t{0}, std::int64_t{150});
    recorder_->set_waiting(149);
    store().run(write_visits, std::int64_t{150}, std::int64_t{151});
    recorder_->set_waiting(150);
    EXPECT_EQ(code_of([&] { store().run(write_visits, std::int64_t{151}, std::int64_t{152}); }),
              Errc::resource_exhausted);
    carry_all();
    step();
    EXPECT_EQ(recorder_->waiting(), 0);
    store().run(write_visits, std::int64_t{151}, std::int64_t{152});
}

TEST_P(Analytics, AQueryEndsAtItsDeadlineAndCannotWrite) {
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{1});
    carry_all();
    auto slow = store().start(Deadline::in(std::chrono::milliseconds(300)), [](Context& context) {
        return analytics::query<Sums>(context, forever);
    });
    EXPECT_EQ(code_of([&] { slow.get(); }), Errc::deadline_exceeded);
    static constexpr analytics::Query writes{"writes", "delete from visits"};
    static constexpr analytics::Query reads_files{
        "reads_files",
        "select 0 as facts, 0 as \"distinct\", count(*) as sum from read_csv('/etc/passwd')",
        "select 0 as facts, 0 as \"distinct\", count() as sum from file('/etc/passwd', 'TSV', 'a "
        "String')"};
    EXPECT_EQ(
        code_of([&] {
            store().run([](Context& context) { return analytics::query<Sums>(context, writes); });
        }),
        Errc::invalid_argument);
    EXPECT_EQ(code_of([&] {
                  store().run([](Context& context) {
                      return analytics::query<Sums>(context, reads_files);
                  });
              }),
              Errc::invalid_argument);
    step();
    expect_visits(1);
}

TEST_P(Analytics, AnExportIsAFileOfItsOwnFolderWithinItsBound) {
    facts_options_.export_mb_max = 1;
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    carry_all();
    step();
    const std::filesystem::path folder = facts_options_.folder + "/exports";
    {
        const auto csv = store().run(export_visits, std::string("1-1.csv"));
        EXPECT_EQ(csv.rows(), 100);
        EXPECT_EQ(csv.path(), folder / "1-1.csv");
        std::ifstream lines(csv.path());
        std::string line;
        std::getline(lines, line);
        EXPECT_EQ(line, "number,page,at,seconds");
        std::getline(lines, line);
        EXPECT_EQ(line, is_to_clickhouse() ? "0,/home,0,0" : "0,/home,1970-01-01 00:00:00,0.0");
        std::getline(lines, line);
        EXPECT_EQ(line, is_to_clickhouse() ? "1,/Übersicht,1000000,"
                                           : "1,/Übersicht,1970-01-01 00:00:01,");
        EXPECT_EQ(std::filesystem::file_size(csv.path()), csv.bytes());
        EXPECT_GT(csv.as_of(), Timestamp());
    }
    if (is_to_clickhouse()) {
        EXPECT_EQ(code_of([&] { store().run(export_visits, std::string("1-1.parquet")); }),
                  Errc::invalid_argument);
    } else {
        const auto parquet = store().run(export_visits, std::string("1-1.parquet"));
        EXPECT_EQ(parquet.rows(), 100);
        std::ifstream bytes(parquet.path(), std::ios::binary);
        std::string magic(4, ' ');
        bytes.read(magic.data(), 4);
        EXPECT_EQ(magic, "PAR1");
    }
    for (const char* wrong : {"../1.csv", "a/b.csv", ".csv", "1.txt", "1", "A.csv", "1.csv.csv"})
        EXPECT_EQ(code_of([&] { store().run(export_visits, std::string(wrong)); }),
                  Errc::invalid_argument)
            << wrong;
    EXPECT_EQ(code_of([&] { store().run(export_much, std::string("2.csv")); }),
              Errc::resource_exhausted);
    EXPECT_EQ(code_of([&] { store().run(export_file_of_others, std::string("3.csv")); }),
              Errc::invalid_argument);
    EXPECT_TRUE(std::filesystem::is_empty(folder)) << "a file is left";
}

TEST_P(AnalyticsOfSeveral, TakeTurnsAndLoseAndDoubleNothing) {
    start<Visit>();
    analytics::Analytics other_analytics(facts_options_, store().registry());
    analytics::Feed other(other_analytics, *recorder_, store().services(), store().registry());
    std::int64_t written = 0;
    for (int turn = 0; turn < 4; ++turn) {
        analytics::Feed* const feeds[] = {feed_.get(), &other};
        analytics::Feed* const next = feeds[turn % 2];
        store().run(write_visits, written, written + 150);
        written += 150;
        // Whoever has it does nothing more, as one whose machine stands still: its lease runs out.
        ASSERT_TRUE(wait_until([&] {
            while (step_of(*next)) {
            }
            return next->report().is_carrying && store().run(facts_kept) == 0;
        }));
        // The one before takes its next step, late.
        EXPECT_FALSE(step_of(*feeds[(turn + 1) % 2]));
        EXPECT_FALSE(feeds[(turn + 1) % 2]->report().is_carrying);
        expect_visits(written);
    }
}

// What one who fed the store before sends when another has taken its place: rows, position and all.
TEST_P(AnalyticsOfSeveral, WhatComesLateFromAFormerOneIsNotThere) {
    namespace internal = loadstone::analytics::internal;
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    carry_all();
    const std::int64_t epoch = analytics_->store().state(1'000).epoch;
    const auto former = internal::open_store(facts_options_);
    const internal::StoreState begun = former->begin(epoch + 1, 1'000);
    // It stands still; its lease runs out; another one carries on.
    store().run(write_visits, std::int64_t{100}, std::int64_t{150});
    new_feed();
    carry_all();
    expect_visits(150);

    const analytics::FactTable& table = recorder_->tables().at(0);
    std::string rows;
    internal::WireWriter to(rows);
    for (std::int64_t i = 100; i < 150; ++i) {
        Visit visit;
        visit.number = i;
        to.integer(0);
        to.text(internal::row_bytes(*table.type, &visit));
    }
    internal::FactBatch batch;
    batch.from = batch.to = begun.position;
    batch.to.seq += 50;
    batch.forms.push_back({&table.schema, ""});
    batch.rows = rows;
    EXPECT_EQ(code_of([&] { former->apply(batch, 1'000); }), Errc::conflict) << "it learns it";
    EXPECT_EQ(clickhouse().run("facts", "select count() from loadstone_rows_visits"), "200\n")
        << "its rows are stored";
    expect_visits(150);
    // Its beginning once more, as if that had been on its way so long.
    clickhouse().run("facts",
                     fmt::format("insert into loadstone_epochs values (1, {}, [])", epoch + 1));
    expect_visits(150);
    EXPECT_EQ(code_of([&] { former->begin(epoch + 1, 1'000); }), Errc::conflict);

    store().run(write_visits, std::int64_t{150}, std::int64_t{200});
    new_feed();
    carry_all();
    expect_visits(200);
}

INSTANTIATE_TEST_SUITE_P(On, Analytics,
                         ::testing::Values(Way{Backend::sqlite}, Way{Backend::postgres},
                                           Way{Backend::pgbouncer}, Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });
INSTANTIATE_TEST_SUITE_P(On, AnalyticsOfSeveral,
                         ::testing::Values(Way{Backend::sqlite, true},
                                           Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });
INSTANTIATE_TEST_SUITE_P(On, AnalyticsBesideOthers,
                         ::testing::Values(Way{Backend::postgres}, Way{Backend::pgbouncer},
                                           Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });

}  // namespace tests::conformance
