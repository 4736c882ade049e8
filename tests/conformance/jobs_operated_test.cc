// What operators ask of the queue where several processes run jobs, what is forgotten, and who a
// job says has enqueued it.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/conformance/jobs_stage.h"

namespace operated {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;
using std::chrono::milliseconds;
using test_kinds::Crowd;
using test_kinds::note;
using test_kinds::Tenant;

// Enqueues so many more, one after the other.
struct Chained {
    int more = 0;
};
BOOST_DESCRIBE_STRUCT(Chained, (), (more))
Task<void> run_chained(Context& context, Job<Chained> job) {
    note(context, std::to_string(job->more) + " by " + job.cause());
    const Chained next{job->more - 1};
    if (job->more > 0) co_await context.write(tests::conformance::add<Chained>, next);
}

void declare(loadstone::Handlers& handlers) {
    test_kinds::declare_keyed(handlers);
    handlers.handle(run_chained);
}

}  // namespace operated

namespace tests::conformance {
namespace {

using namespace operated;

class JobsOperated : public StagedJobs {
protected:
    JobsOperated() : StagedJobs(operated::declare) {}
};

INSTANTIATE_TEST_SUITE_P(Databases, JobsOperated,
                         testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// Where transactions run side by side.
class JobsOperatedPostgres : public JobsOperated {};
INSTANTIATE_TEST_SUITE_P(Databases, JobsOperatedPostgres, testing::Values(Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

Task<bool> pause_in(Tx& tx, bool is_paused) {
    const std::string queue = "test";
    co_await jobs::pause_queue(tx, queue, is_paused);
    co_return true;
}
TEST_P(JobsOperated, APausedQueueIsPausedInAllProcesses) {
    auto one = node(), two = node(), operators = node();
    one->run();
    two->run();
    operators->write(add<Tenant>, Tenant{"before", 0});
    ASSERT_TRUE(wait_until([&] { return count("before") == 1; }));
    operators->write(pause_in, true);
    // What is enqueued before both know of it runs.
    std::string last;
    const auto stays = [&] {
        last += "paused";
        operators->write(add_all<Tenant>, std::vector<Tenant>(20, Tenant{last, 0}));
        pause(400);
        return count(last) == 0;
    };
    ASSERT_TRUE(wait_until(stays));
    operators->write(pause_in, false);
    EXPECT_TRUE(wait_until([&] { return count(last) == 20; }, std::chrono::seconds(3)));
}

Task<bool> allow(Tx& tx, int at_once) {
    jobs::LimitChange change;
    change.name = "crowd";
    change.running_max = at_once;
    co_await jobs::set_limit(tx, change);
    co_return true;
}
TEST_P(JobsOperated, AChangedLimitIsChangedInAllProcesses) {
    auto one = node(), two = node(), operators = node();
    for (Node* each : {one.get(), two.get()}) {
        each->runner_options.running_max = 3;  // so that six need both
        each->run();
    }
    stage_.may_end = false;
    operators->write(add_all<Crowd>, std::vector<Crowd>(6, Crowd{"a", "first"}));
    ASSERT_TRUE(wait_until([&] { return stage_.running == 2; }));
    operators->write(allow, 6);
    EXPECT_TRUE(wait_until([&] { return stage_.running == 6; }, std::chrono::seconds(3)));
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*operators));

    operators->write(allow, 1);
    // Again, of another key, until both know of it.
    std::string last;
    const auto one_at_a_time = [&] {
        last += "b";
        stage_.may_end = false;
        stage_.running_max = 0;
        operators->write(add_all<Crowd>, std::vector<Crowd>(6, Crowd{last, last}));
        EXPECT_TRUE(wait_until([&] { return stage_.running > 0; }));
        pause(400);
        const bool is_one = stage_.running_max == 1;
        stage_.may_end = true;
        EXPECT_TRUE(is_done(*operators));
        return is_one;
    };
    EXPECT_TRUE(wait_until(one_at_a_time));
    EXPECT_EQ(count(last), 6);
}

// So many, buried so many days ago.
Task<bool> bury(Tx& tx, std::int64_t first, std::int64_t number, std::int64_t days) {
    static constexpr loadstone::store::Command query{
        .name = "operated.bury",
        .sqlite =
            "insert into loadstone_dead_jobs (id, queue, kind, arguments, idempotency_key, cause, "
            "priority, enqueued_at, buried_at, attempt, crashes, last_error) "
            "select value, 'test', 'test_kinds.Tenant', '{}', '', 'test', 0, 0, "
            "cast((julianday('now') - 2440587.5 - ?3) * 86400000000.0 as integer), 1, 0, 'broken' "
            "from (with recursive n (value) as (select ?1 union all select value + 1 from n "
            "where value + 1 < ?1 + ?2) select value from n)",
        .postgres =
            "insert into loadstone_dead_jobs (id, queue, kind, arguments, idempotency_key, cause, "
            "priority, enqueued_at, buried_at, attempt, crashes, last_error) "
            "select value, 'test', 'test_kinds.Tenant', '{}', '', 'test', 0, 0, "
            "(extract(epoch from clock_timestamp()) * 1000000)::bigint - $3::bigint * 86400000000, "
            "1, 0, 'broken' from generate_series($1::bigint, $1::bigint + $2::bigint - 1) as value",
        .parameters = 3};
    co_await tx.exec(query, first, number, days);
    co_return true;
}
Task<std::int64_t> dead_letters(Reader reader) {
    static constexpr std::string_view text = "select count(*) from loadstone_dead_jobs";
    static constexpr loadstone::store::Query query{
        .name = "operated.dead", .sqlite = text, .postgres = text};
    co_return co_await reader.one<std::int64_t>(query);
}
constexpr std::int64_t far = 1'000'000'000;  // ids that no job has

TEST_P(JobsOperated, OldDeadLettersAreForgottenAndYoungOnesKept) {
    auto one = node(), operators = node();
    operators->write(bury, far, std::int64_t{300}, std::int64_t{6});
    operators->write(bury, far + 300, std::int64_t{5'000}, std::int64_t{8});
    operators->write(bury, far + 5'300, std::int64_t{300}, std::int64_t{6});
    one->run();
    EXPECT_TRUE(operators->write(jobs::prune, jobs::Retention{.dead_letters_days = 0}));
    EXPECT_EQ(one->read(dead_letters), 5'600) << "for ever";
    int rounds = 0;
    for (bool is_all = false; !is_all && rounds < 20; ++rounds) {
        const std::string text = "round " + std::to_string(rounds);
        operators->write(add<Tenant>, Tenant{text, 0});
        is_all = operators->write(jobs::prune, jobs::Retention{.dead_letters_days = 7});
        EXPECT_TRUE(wait_until([&] { return count(text) == 1; }, std::chrono::seconds(3)));
    }
    EXPECT_EQ(rounds, 6) << "some at a time";
    EXPECT_EQ(one->read(dead_letters), 600);
    for (const std::int64_t young : {far, far + 299, far + 5'300, far + 5'599})
        EXPECT_EQ(one->jobs_by_id({young}).size(), 1U) << young;
}

Task<bool> prune_and_dawdle(Tx& tx, std::atomic<bool>* has_pruned, std::atomic<bool>* may_end) {
    const jobs::Retention week{.dead_letters_days = 7};
    co_await jobs::prune(tx, week);
    *has_pruned = true;
    while (!*may_end) {
        const auto soon = Deadline::in(milliseconds(2));
        co_await loadstone::runtime::sleep_until(soon);
    }
    co_return true;
}
TEST_P(JobsOperatedPostgres, PruningHoldsUpNoClaims) {
    auto one = node(), operators = node();
    operators->write(bury, far, std::int64_t{1'000}, std::int64_t{8});
    one->run();
    std::atomic<bool> has_pruned{false}, may_end{false};
    std::thread slow([&] { operators->write(prune_and_dawdle, &has_pruned, &may_end); });
    EXPECT_TRUE(wait_until([&] { return has_pruned.load(); }));
    for (int i = 0; i < 20; ++i) one->write(add<Crowd>, Crowd{"a", "beside"});
    EXPECT_TRUE(wait_until(
        [&] {
            return count("beside") == 20 && one->jobs_of("waiting").empty() &&
                   one->jobs_of("running").empty();
        },
        std::chrono::seconds(5)));
    may_end = true;
    slow.join();
    EXPECT_EQ(one->read(dead_letters), 0);
}

// Claimed together, with what the test has enqueued itself.
TEST_P(JobsOperated, AJobNamesWhoHasEnqueuedIt) {
    auto one = node();
    one->write(add<Chained>, Chained{2});
    one->write(add<Chained>, Chained{10});
    one->run();
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 14; }));
    EXPECT_EQ(count("2 by test"), 1);
    EXPECT_EQ(count("10 by test"), 1);
    EXPECT_EQ(count("1 by operated.Chained"), 2);
    EXPECT_EQ(count("0 by operated.Chained"), 2);
}

}  // namespace
}  // namespace tests::conformance
