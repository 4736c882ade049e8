#include "loadstone/server/internal/db_top.h"

#include <gtest/gtest.h>

namespace loadstone::server::internal {
namespace {

StatementLine line_in(const std::string& process, std::int64_t calls) {
    StatementLine line;
    line.process = process;
    line.statement = "facts.all";
    line.activity = "GET /facts";
    line.calls = line.total_us = calls;
    return line;
}

StatementPlan plan_in(const std::string& process) {
    StatementPlan plan;
    plan.process = process;
    plan.statement = "facts.all";
    plan.postgres = "select a from facts limit 5";
    return plan;
}

StatementReport of_two() {
    StatementReport report;
    report.lines = {line_in("1", 10), line_in("2", 20)};
    report.statements = {plan_in("1"), plan_in("2")};
    return report;
}

TEST(DbTop, WhatIsKnownOfAStatementIsOfAllProcesses) {
    for (const std::size_t sampling : {0U, 1U}) {
        StatementReport report = of_two();
        StatementPlan& plan = report.statements[sampling];
        plan.samples = 2;
        plan.sampled_rows = 4;
        plan.sampled_scanned = 8;
        plan.changes = 3;
        plan.lock_waits = 7;
        const TopReport top = top_of(std::move(report), {}, 0);
        ASSERT_EQ(top.statements.size(), 2U);
        for (const TopLine& one : top.statements) {
            EXPECT_DOUBLE_EQ(one.scanned_per_row, 2);
            EXPECT_EQ(one.plan_changes, 3);
            EXPECT_EQ(one.lock_waits_seen, 7);
        }
    }
}

TEST(DbTop, LinesOfSeveralProcessesNameThem) {
    TopReport top = top_of(of_two(), {}, 0);
    order(top, "calls", 30);
    EXPECT_EQ(top.statements.front().line.process, "2");
    EXPECT_TRUE(to_text(top).starts_with("PROCESS  STATEMENT"));
    EXPECT_NE(to_text(top).find("\n2        facts.all"), std::string::npos) << to_text(top);
    order(top, "calls", 1);
    EXPECT_TRUE(to_text(top).starts_with("STATEMENT"));
}

TEST(DbTop, WaitsForLocksThatNobodyLooksForAreUnknown) {
    StatementReport report = of_two();
    report.lines.resize(1);
    const auto shown = [&] { return to_text(top_of(report, {}, 0)); };
    EXPECT_NE(shown().find("0us        -        -       -"), std::string::npos) << shown();
    report.statements[1].lock_waits = 0;
    EXPECT_NE(shown().find("0us       0x        -       -"), std::string::npos) << shown();
    report.lines[0].lock_wait_us = 1'500;  // SQLite
    EXPECT_NE(shown().find("0us    1.5ms        -       -"), std::string::npos) << shown();
}

TEST(DbTop, TheServersFiguresAreFoundDespiteALiteral) {
    store::ServerStatistics server;
    store::ServerUse& use = server.statements.emplace_back();
    use.text = "select a from facts limit $1";
    use.temp_bytes = 8192;
    use.cpu_ms = 1.5;
    const TopReport top = top_of(of_two(), server, 0);
    EXPECT_EQ(top.statements[0].temp_bytes, 8192);
    EXPECT_DOUBLE_EQ(top.statements[0].server_cpu_ms, 1.5);
    EXPECT_EQ(top.statements[0].server_disk_bytes, -1);
}

TEST(DbTop, ServersThatDoNotAnswerAreNamed) {
    StatementReport report = of_two();
    report.silent = {{"77", "no answer within 2000 ms"}};
    EXPECT_NE(to_text(top_of(std::move(report), {}, 0))
                  .find("process 77 is left out: no answer within 2000 ms\n"),
              std::string::npos);
}

}  // namespace
}  // namespace loadstone::server::internal
