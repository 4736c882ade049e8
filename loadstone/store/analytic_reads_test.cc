#include "loadstone/store/analytic_reads.h"

#include <gtest/gtest.h>

namespace loadstone::store {
namespace {

TEST(AnalyticReads, TellsWhatAddsUp) {
    for (const char* sql :
         {"select count(*) from facts", "select Sum (points) from facts",
          "select course, max(at) from facts group by course", "select min(a) from facts",
          "select min((a + b) * coalesce(a, b)) from facts", "select distinct course from facts",
          "select count(distinct learner) from facts", "SELECT kind FROM facts GROUP\n  BY kind",
          "select a, row_number() over (order by a) from facts",
          "insert into sums select course, total(points) from facts"})
        EXPECT_TRUE(adds_up(sql)) << sql;
}

TEST(AnalyticReads, TellsWhatDoesNot) {
    for (const char* sql :
         {"", "select * from facts where at > $1", "select max(0, points) from facts",
          "select min(a, (select 1)) from facts", "select 'count(*)' from facts",
          "select \"group\" by from facts", "select a -- count(*)\nfrom facts",
          "select /* sum(a) */ a from facts", "select a from facts where a is distinct from b",
          "select a from facts where a is not distinct from b", "select account(a) from facts",
          "select count from facts order by count", "select 'unended count(*)"})
        EXPECT_FALSE(adds_up(sql)) << sql;
}

class Noted : public ::testing::Test {
protected:
    static StatisticsOptions options() {
        StatisticsOptions options;
        options.analytic_rows = 100;
        return options;
    }
    static AnalyticRun run_of(std::string_view statement, std::uint64_t read) {
        AnalyticRun run;
        run.statement = statement;
        run.activity = "GET /sums";
        run.read = read;
        return run;
    }
    std::uint64_t counted() {
        return registry_.counter("loadstone_statement_analytic_total", "", "").value();
    }

    telemetry::Registry registry_;
};

TEST_F(Noted, FromTheBoundOnAndTheLargestIsKept) {
    AnalyticReads reads(options(), registry_);
    reads.note(run_of("facts.few", 99));
    reads.note(run_of("facts.sums", 100));
    reads.note(run_of("facts.sums", 102));
    reads.note(run_of("facts.sums", 101));
    EXPECT_EQ(counted(), 3U);
    const auto all = reads.all();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].statement, "facts.sums");
    EXPECT_EQ(all[0].times, 3U);
    EXPECT_EQ(all[0].read, 102U);
}

TEST_F(Noted, OnceInTheLogInAnInterval) {
    AnalyticReads rarely(options(), registry_);
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 3; ++i) rarely.note(run_of("facts.sums", 100));
    rarely.note(run_of("facts.others", 100));
    const std::string once = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(once.find("facts.sums"), once.rfind("facts.sums")) << once;
    EXPECT_NE(once.find("facts.others"), std::string::npos) << once;
    EXPECT_NE(once.find("ask analytics"), std::string::npos) << once;

    StatisticsOptions often = options();
    often.analytic_log_every = std::chrono::milliseconds(0);
    AnalyticReads always(often, registry_);
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 2; ++i) always.note(run_of("facts.sums", 100));
    const std::string twice = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(twice.find("facts.sums"), twice.rfind("facts.sums")) << twice;
}

TEST_F(Noted, WithCpuTimeWhereItIsKnown) {
    AnalyticReads reads(options(), registry_);
    AnalyticRun known = run_of("facts.known", 100);
    known.cpu_us = 7'000;
    ::testing::internal::CaptureStderr();
    reads.note(known);
    const std::string with = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(with.find("cpu_ms"), std::string::npos) << with;
    ::testing::internal::CaptureStderr();
    reads.note(run_of("facts.unknown", 100));
    const std::string without = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(without.find("facts.unknown"), std::string::npos) << without;
    EXPECT_EQ(without.find("cpu_ms"), std::string::npos) << without;
}

TEST_F(Noted, NoMoreStatementsAreKeptThanItMay) {
    AnalyticReads reads(options(), registry_);
    for (std::size_t i = 0; i <= AnalyticReads::statements_max; ++i)
        reads.note(run_of("facts.sum" + std::to_string(i), 100));
    EXPECT_EQ(reads.all().size(), AnalyticReads::statements_max);
    EXPECT_EQ(counted(), AnalyticReads::statements_max + 1);
}

// SQLite says how many rows it stepped through without an index, and else how many steps it took.
TEST_F(Noted, ByRowsOrElseBySteps) {
    AnalyticReads reads(options(), registry_);
    telemetry::Span span;
    span.start(7, "GET /sums");
    static constexpr Query sums{"facts.sums", "select sum(points) from facts", "", 0};
    static constexpr Query all{"facts.all", "select * from facts", "", 0};
    telemetry::StatementUse use;
    use.scanned = 99;
    use.steps = 100 * AnalyticReads::steps_a_row - 1;
    reads.look(span, sums, use, 0);
    EXPECT_TRUE(reads.all().empty());
    ++use.steps;
    reads.look(span, all, use, 0);
    EXPECT_TRUE(reads.all().empty());
    reads.look(span, sums, use, 7'000);
    ASSERT_EQ(reads.all().size(), 1U);
    EXPECT_EQ(reads.all()[0].read, 100U);
    EXPECT_EQ(reads.all()[0].cpu_us, 7U);
    EXPECT_TRUE(reads.all()[0].is_estimate);
    use.scanned = 101;
    use.steps *= 100;
    reads.look(span, sums, use, 0);
    EXPECT_EQ(reads.all()[0].read, 101U);
    EXPECT_FALSE(reads.all()[0].is_estimate);
}

TEST_F(Noted, NothingWhenItIsOff) {
    StatisticsOptions off;
    off.analytic_rows = 0;
    AnalyticReads reads(off, registry_);
    reads.note(run_of("facts.sums", 1'000'000'000));
    EXPECT_TRUE(reads.all().empty());
    EXPECT_EQ(counted(), 0U);
}

TEST_F(Noted, TheFrameworksOwnAndCommandsAreLeftOut) {
    telemetry::Span span;
    EXPECT_FALSE(AnalyticReads::concerns(span));
    span.start(7, "loadstone.claim");
    EXPECT_FALSE(AnalyticReads::concerns(span));
    span.start(7, "learning.GradeSlice");
    EXPECT_TRUE(AnalyticReads::concerns(span));
}

}  // namespace
}  // namespace loadstone::store
