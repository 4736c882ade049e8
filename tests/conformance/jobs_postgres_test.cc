// What of the job queue only PostgreSQL has: transactions that are under way beside a claim.

#include <gtest/gtest.h>

#include <thread>

#include "loadstone/jobs/internal/lanes.h"
#include "tests/conformance/jobs_node.h"
#include "tests/support/postgres_server.h"

namespace tests::conformance {
namespace {

Task<std::int64_t> last_ready(Reader reader) {
    co_return co_await reader.one<std::int64_t>(jobs::sql::last_ready);
}

Task<jobs::internal::Transactions> transactions_now(Reader reader) {
    co_return co_await reader.one<jobs::internal::Transactions>(jobs::sql::transactions_now);
}

class JobsPostgres : public ::testing::Test {
protected:
    std::string psql(const std::string& sql) { return server_.psql(database_.name(), sql); }
    std::int64_t horizon(Node& node) {
        const auto last = node.read(last_ready);
        return lanes_.horizon(last, node.read(transactions_now));
    }

    PostgresServer server_;
    TestDatabase database_{server_};
    Diary diary_;
    std::vector<std::unique_ptr<jobs::Kind>> kinds_;
    jobs::internal::Lanes lanes_{kinds_};
};

TEST_F(JobsPostgres, TheHorizonWaitsForATransactionThatHoldsAPlace) {
    Node node(database_.url(), diary_);
    const std::int64_t place = node.enqueue("before") + 1;
    std::thread open([&] {
        psql(
            "begin; insert into loadstone_ready (queue, priority, kind, arguments, cause, "
            "enqueued_at, run_at) "
            "values ('test', 0, 'conformance_jobs.Note', '{}', '', 0, 0); select pg_sleep(2); "
            "commit");
    });
    ASSERT_TRUE(wait_until([&] { return node.read(last_ready) == place; }));
    EXPECT_EQ(horizon(node), 0);
    EXPECT_EQ(horizon(node), 0) << "its place is given out, and it has not ended";
    EXPECT_EQ(node.jobs_of("").size(), 1U);
    open.join();
    horizon(node);
    EXPECT_EQ(horizon(node), place);
    EXPECT_EQ(node.jobs_of("").size(), 2U);
}

TEST_F(JobsPostgres, ManyProcessesClaimSideBySideWithoutFailing) {
    Node first(database_.url(), diary_);
    for (int i = 0; i < 300; ++i) first.enqueue(std::to_string(i));
    std::vector<std::unique_ptr<Node>> nodes;
    for (int i = 0; i < 4; ++i) {
        nodes.push_back(std::make_unique<Node>(database_.url(), diary_));
        nodes.back()->runner_options.claim_batch_max = 3;
        nodes.back()->run();
    }
    ASSERT_TRUE(wait_until([&] { return first.jobs_of("").empty(); }, std::chrono::seconds(30)));
    EXPECT_EQ(diary_.all().size(), 300U);
    for (const auto& node : nodes) {
        EXPECT_NE(node->registry.prometheus().find(
                      "loadstone_postgres_transaction_retries_total{reason=\"conflict\"} 0\n"),
                  std::string::npos)
            << node->registry.prometheus();
    }
}

}  // namespace
}  // namespace tests::conformance
