#include "loadstone/store/postgres/internal/plan_text.h"

#include <gtest/gtest.h>

namespace loadstone::store::postgres {
namespace {

// As PostgreSQL 15 printed it, shortened.
constexpr std::string_view join =
    "Sort  (cost=45.02..45.64 rows=250 width=40) (actual rows=120 loops=1)\n"
    "  Sort Key: a.name\n"
    "  Sort Method: external merge  Disk: 24kB\n"
    "  Buffers: shared hit=10, temp read=3 written=4\n"
    "  ->  Nested Loop  (cost=0.15..35.06 rows=250 width=40) (actual rows=120 loops=1)\n"
    "        Buffers: shared hit=10\n"
    "        ->  Seq Scan on accounts a  (cost=0.00..12.00 rows=40 width=8) (actual rows=60 "
    "loops=1)\n"
    "              Filter: (name > 'x'::text)\n"
    "              Rows Removed by Filter: 40\n"
    "        ->  Index Scan using enrollments_of_user on enrollments e  (cost=0.15..0.57 rows=6 "
    "width=16) (actual rows=2 loops=60)\n"
    "              Index Cond: (user_id = a.id)\n"
    "Planning:\n"
    "  Buffers: shared hit=99, temp read=1 written=999\n"
    "Planning Time: 0.1 ms\n"
    "Execution Time: 1 ms\n";

TEST(PlanText, PutsEstimatedAndRealRowsSideBySide) {
    const ExplainedPlan plan = read_plan(join);
    EXPECT_EQ(shape_of(plan),
              "Sort\n"
              "  Nested Loop\n"
              "    Seq Scan on accounts a\n"
              "    Index Scan using enrollments_of_user on enrollments e");
    ASSERT_EQ(plan.steps.size(), 4U);
    EXPECT_EQ(plan.steps[2].estimated_rows, 40);
    EXPECT_EQ(plan.steps[2].rows, 60);
    EXPECT_EQ(plan.steps[3].rows, 120);  // of all loops
    EXPECT_EQ(plan.steps[3].details, std::vector<std::string>{"Index Cond: (user_id = a.id)"});
}

TEST(PlanText, CountsWhatScansReadAndTemporaryFiles) {
    const ExplainedPlan plan = read_plan(join);
    EXPECT_TRUE(plan.is_analyzed);
    EXPECT_EQ(plan.rows, 120U);
    EXPECT_EQ(plan.scanned, 60U + 40U + 120U);
    EXPECT_EQ(plan.temp_bytes, 4U * 8'192U);
}

TEST(PlanText, ABitmapsRowsAreCountedOnce) {
    const ExplainedPlan plan = read_plan(
        "Bitmap Heap Scan on jobs  (cost=4.2..13.7 rows=6 width=8) (actual rows=5 loops=1)\n"
        "  Rows Removed by Index Recheck: 2\n"
        "  ->  Bitmap Index Scan on jobs_due  (cost=0.0..4.2 rows=6 width=0) (actual rows=7 "
        "loops=1)\n");
    EXPECT_EQ(plan.scanned, 7U);
    EXPECT_EQ(plan.rows, 5U);
}

TEST(PlanText, WhatIsReadBelowAnAggregateIsAddedUp) {
    const ExplainedPlan plan = read_plan(
        "Finalize GroupAggregate  (cost=1.0..2.0 rows=9 width=16) (actual rows=9 loops=1)\n"
        "  ->  Gather Merge  (cost=1.0..2.0 rows=18 width=16) (actual rows=18 loops=1)\n"
        "        ->  Partial HashAggregate  (cost=1.0..2.0 rows=9 width=16) (actual rows=9 "
        "loops=2)\n"
        "              ->  Parallel Seq Scan on \"Odd Facts\" f  (cost=0.0..1.0 rows=50 width=8) "
        "(actual rows=40 loops=2)\n"
        "                    Filter: (course = 7)\n"
        "                    Rows Removed by Filter: 10\n"
        "  InitPlan 1 (returns $0)\n"
        "    ->  Limit  (cost=0.1..0.2 rows=1 width=8) (actual rows=1 loops=1)\n"
        "          ->  Index Only Scan using facts_at on facts  (cost=0.1..9.0 rows=100 width=8) "
        "(actual rows=1 loops=1)\n");
    EXPECT_EQ(plan.added_up, 80U + 20U + 1U);
    EXPECT_EQ(plan.added_up_tables, std::vector<std::string>{"\"Odd Facts\""});
    EXPECT_EQ(read_plan(join).added_up, 0U);  // it sorts
}

TEST(PlanText, WithoutARunItIsWhatThePlannerThinks) {
    const ExplainedPlan plan = read_plan(
        "HashAggregate  (cost=1.0..2.0 rows=9 width=16)\n"
        "  ->  Nested Loop  (cost=0.1..9.0 rows=500 width=8)\n"
        "        ->  Seq Scan on courses c  (cost=0.0..1.0 rows=50 width=8)\n"
        "        ->  Index Only Scan using facts_of_course on facts f  (cost=0.1..9.0 rows=10 "
        "width=8)\n"
        "              Index Cond: (course = c.id)\n");
    EXPECT_FALSE(plan.is_analyzed);
    EXPECT_EQ(plan.added_up, 50U + 50U * 10U);
    EXPECT_EQ(plan.added_up_tables, std::vector<std::string>{"courses"});
}

TEST(PlanText, APlanThatDidNotRunHasNoRealRows) {
    const ExplainedPlan plan = read_plan("Seq Scan on users  (cost=0.00..12.00 rows=40 width=8)\n");
    ASSERT_EQ(plan.steps.size(), 1U);
    EXPECT_FALSE(plan.is_analyzed);
    EXPECT_FALSE(plan.steps[0].rows.has_value());
    EXPECT_EQ(plan.steps[0].estimated_rows, 40);
}

TEST(PlanText, WhatWasNeverExecutedGaveNoRows) {
    const ExplainedPlan plan = read_plan(
        "Append  (cost=0..2 rows=2 width=8) (actual rows=0 loops=1)\n"
        "  ->  Seq Scan on a  (cost=0.00..1.00 rows=1 width=8) (never executed)\n");
    ASSERT_EQ(plan.steps.size(), 2U);
    EXPECT_EQ(plan.steps[1].rows, 0);
    EXPECT_EQ(plan.scanned, 0U);
}

TEST(PlanText, TextThatIsNoPlanHasNoSteps) {
    EXPECT_TRUE(read_plan("").steps.empty());
    EXPECT_TRUE(read_plan("\n\n  ->\nrows=\n").steps.empty());
    EXPECT_EQ(read_plan("x  (cost=").steps.size(), 1U);
}

}  // namespace
}  // namespace loadstone::store::postgres
