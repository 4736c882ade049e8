// Facts come to the column store once each, whatever ends in between. The real store, a process.

#include <filesystem>
#include <fstream>
#include <thread>

#include "loadstone/analytics/export.h"
#include "tests/conformance/analytics_stage.h"

namespace tests::conformance {

namespace {

// The same fact in the next version of a program.
struct LaterVisit {
    std::int64_t number = 0;
    std::string page;
    Timestamp at;
    bool is_mobile = false;
};
BOOST_DESCRIBE_STRUCT(LaterVisit, (), (number, page, at, is_mobile))

constexpr analytics::Query tables_of_visits{
    "tables_of_visits",
    "select count(*) as facts, 0 as \"distinct\", 0 as sum from duckdb_tables() where table_name = "
    "'visits'",
    "select count() as facts, 0 as \"distinct\", 0 as sum from system.tables where database = "
    "currentDatabase() and name = 'visits'"};
constexpr analytics::Query visits{
    "visits", "select number, page, \"at\", seconds from visits order by number", {}, "at"};
constexpr analytics::Query forever{"forever",
                                   "select count(*) as facts, 0 as \"distinct\", 0 as sum from "
                                   "range(1000000) a, range(1000000) b",
                                   "select count() as facts, 0 as \"distinct\", 0 as sum from "
                                   "system.numbers"};

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
Task<analytics::ExportedFile> export_nothing(Context& context, std::string name) {
    static constexpr analytics::Query nothing{
        "nothing", "select number, page, \"at\", seconds from visits where number < 0", {}, "at"};
    return analytics::export_rows(context, nothing, std::move(name));
}
// What cannot be compressed: 8 MB.
Task<analytics::ExportedFile> export_noise(Context& context, std::string name) {
    static constexpr analytics::Query noise{
        "noise", "select hash(range)::text as noise from range(500000)",
        "select toString(sipHash64(number)) as noise from system.numbers limit 500000"};
    return analytics::export_rows(context, noise, std::move(name));
}
Task<analytics::ExportedFile> export_file_of_others(Context& context, std::string name) {
    static constexpr analytics::Query reads{"reads", "select * from read_csv('/etc/passwd')",
                                            "select * from file('/etc/passwd', 'TSV', 'a String')"};
    return analytics::export_rows(context, reads, std::move(name));
}
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
        std::ifstream lines(csv.path());
        std::string line;
        std::getline(lines, line);
        EXPECT_EQ(line, "number,page,at,seconds");
        std::getline(lines, line);
        EXPECT_EQ(line, is_to_clickhouse() ? "0,/home,1970-01-01 00:00:00,0"
                                           : "0,/home,1970-01-01 00:00:00,0.0");
        std::getline(lines, line);
        EXPECT_EQ(line, "1,/Übersicht,1970-01-01 00:00:01,");
        EXPECT_EQ(std::filesystem::file_size(csv.path()), csv.bytes());
        EXPECT_GT(csv.as_of(), Timestamp());
    }
    {
        const auto parquet = store().run(export_visits, std::string("1-1.parquet"));
        EXPECT_EQ(parquet.rows(), 100);
        EXPECT_EQ(std::filesystem::file_size(parquet.path()), parquet.bytes());
        EXPECT_GT(parquet.as_of(), Timestamp());
        std::ifstream bytes(parquet.path(), std::ios::binary);
        std::string magic(4, ' ');
        bytes.read(magic.data(), 4);
        EXPECT_EQ(magic, "PAR1");
        EXPECT_EQ(store().run(export_nothing, std::string("0.parquet")).rows(), 0);
    }
    for (const char* wrong : {"../1.csv", "a/b.csv", ".csv", "1.txt", "1", "A.csv", "1.csv.csv"})
        EXPECT_EQ(code_of([&] { store().run(export_visits, std::string(wrong)); }),
                  Errc::invalid_argument)
            << wrong;
    EXPECT_EQ(code_of([&] { store().run(export_much, std::string("2.csv")); }),
              Errc::resource_exhausted);
    EXPECT_EQ(code_of([&] { store().run(export_noise, std::string("2.parquet")); }),
              Errc::resource_exhausted);
    for (const char* name : {"3.csv", "3.parquet"})
        EXPECT_EQ(code_of([&] { store().run(export_file_of_others, std::string(name)); }),
                  Errc::invalid_argument)
            << name;
    EXPECT_TRUE(std::filesystem::is_empty(folder)) << "a file is left";
}

INSTANTIATE_TEST_SUITE_P(On, Analytics,
                         ::testing::Values(Way{Backend::sqlite}, Way{Backend::postgres},
                                           Way{Backend::pgbouncer}, Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });
INSTANTIATE_TEST_SUITE_P(On, AnalyticsBesideOthers,
                         ::testing::Values(Way{Backend::postgres}, Way{Backend::pgbouncer},
                                           Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });

}  // namespace tests::conformance
