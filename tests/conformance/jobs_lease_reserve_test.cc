// The lease of a process whose jobs hold every transaction connection. PostgreSQL only: SQLite's
// one writer has no connections to hold.

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/conformance/jobs_node.h"
#include "tests/support/postgres_server.h"

namespace conformance_jobs {

struct Slow {
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Slow, (), (number))

}  // namespace conformance_jobs

namespace tests::conformance {
namespace {

using conformance_jobs::Slow;

constexpr loadstone::store::Query wait_for_the_test{
    "test.wait_for_the_test", "", "select pg_advisory_xact_lock_shared(1) is null", 0};

Task<void> wait_in_transaction(Tx& tx) { co_await tx.one<bool>(wait_for_the_test); }

Task<void> handle_slow(Context& context, loadstone::Job<Slow> job) {
    co_await context.write(wait_in_transaction);
    context.services().get<Diary>().ran(std::to_string(job->number));
}

void declare_slow(loadstone::Handlers& handlers) { handlers.handle(handle_slow).attempts(1); }

TEST(JobsLeaseReserve, IsRenewedWhileJobsHoldEveryTransactionConnection) {
    PostgresServer server;
    TestDatabase database(server);
    const auto psql = [&](const std::string& sql) { return server.psql(database.name(), sql); };
    Diary diary;
    Node node(database.url(), diary, declare_slow);
    const auto connections = node.options.transactions_max;
    const int count = static_cast<int>(connections) + 4;
    for (int i = 0; i < count; ++i) node.write(enqueue_in<Slow>, Slow{i});
    std::thread holder([&] {
        try {
            psql("select pg_advisory_lock(1), pg_sleep(60)");
        } catch (const std::exception&) {
            // It is ended below.
        }
    });
    // Of one number: those of two are the store's own.
    const std::string held =
        "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1 and ";
    EXPECT_TRUE(wait_until([&] { return psql(held + "granted") == "1"; }));
    node.run();
    const auto all_are_held = [&] {
        return psql(held + "not granted") == std::to_string(connections);
    };
    EXPECT_TRUE(wait_until(all_are_held));
    const std::string process = psql("select id from loadstone_processes");
    // Over again: without a reserve the last beat may have come just before.
    std::string beat = psql("select heartbeat_at from loadstone_processes");
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(wait_until([&] {
            return psql("select heartbeat_at from loadstone_processes") != beat;
        })) << "beat "
            << i;
        beat = psql("select heartbeat_at from loadstone_processes");
        EXPECT_TRUE(all_are_held()) << "and all the while its jobs go on";
    }
    EXPECT_EQ(psql("select id from loadstone_processes"), process);
    psql(
        "select pg_terminate_backend(pid) from pg_locks "
        "where locktype = 'advisory' and objsubid = 1 and granted and mode = 'ExclusiveLock'");
    holder.join();
    EXPECT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    auto ran = diary.all();
    std::ranges::sort(ran);
    EXPECT_EQ(std::ranges::adjacent_find(ran), ran.end()) << "none ran twice";
    EXPECT_EQ(ran.size(), static_cast<std::size_t>(count));
}

}  // namespace
}  // namespace tests::conformance
