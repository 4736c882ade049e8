// What the job queue promises, on every database: each job once, priorities, leases and their
// fences, outcomes that can always be recorded.

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <thread>

#include "tests/conformance/jobs_node.h"

namespace moved {

struct Moved {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Moved, (), (text))

loadstone::Task<void> handle_moved(loadstone::Context& context, loadstone::Job<Moved> job) {
    context.services().get<conformance_jobs::Diary>().ran(job->text);
    co_return;
}
void before(loadstone::Handlers& handlers) { handlers.handle(handle_moved); }
void after(loadstone::Handlers& handlers) { handlers.handle(handle_moved).queue("apart"); }

}  // namespace moved

namespace tests::conformance {
namespace {

INSTANTIATE_TEST_SUITE_P(Databases, JobQueue, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// Of the one queue, both priorities, up to 10 jobs of `kinds`.
std::vector<jobs::internal::ClaimedJob> claim(Node& node, std::int64_t process,
                                              const std::string& kinds,
                                              std::int64_t* batch = nullptr) {
    std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "", 5, 0, kinds, 10, 10},
        {"test", "", 0, 0, kinds, 10, 10},
        {"test", "|loadstone.suspect:test", 0, 0, kinds, 10, 10}};
    const auto limits = std::make_shared<const jobs::internal::LimitBook>(node.queue->limits());
    const auto claimed = node.write(jobs::internal::claim, process, lanes_of(lanes),
                                    std::int64_t{10}, limits, no_loans);
    std::vector<jobs::internal::ClaimedJob> all;
    for (const auto& each : claimed.batches) {
        all.insert(all.end(), each.jobs.begin(), each.jobs.end());
        if (batch != nullptr) *batch = each.id();
    }
    return all;
}

const std::string known_kinds = R"(["conformance_jobs.Note","conformance_jobs.Urgent"])";

// Completes a job in its own transaction, which does not end before it is let go.
struct SlowCompletion {
    std::mutex mutex;
    std::condition_variable changed;
    bool is_made = false;
    bool may_commit = false;

    void set(bool SlowCompletion::* what) {
        const std::lock_guard lock(mutex);
        this->*what = true;
        changed.notify_all();
    }
    void wait(bool SlowCompletion::* what) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return this->*what; });
    }
};

Task<bool> complete_slowly(Tx& tx, jobs::Lease lease, SlowCompletion* slow) {
    co_await jobs::complete(tx, lease);
    slow->set(&SlowCompletion::is_made);
    slow->wait(&SlowCompletion::may_commit);
    co_return true;
}

// Runs `other` beside a completion that is under way, which commits when `other` has had the time
// to get in its way.
template <class Other>
void beside_a_completion(Node& node, const jobs::Lease& lease, Other other) {
    SlowCompletion slow;
    std::thread handler([&] { node.write(complete_slowly, lease, &slow); });
    slow.wait(&SlowCompletion::is_made);
    std::thread beside(other);
    const auto end = std::chrono::steady_clock::now() + milliseconds(300);
    EXPECT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > end; }));
    slow.set(&SlowCompletion::may_commit);
    handler.join();
    beside.join();
}

TEST_P(JobQueue, AJobThatCompletesItselfWhileItsBatchIsHandedBackIsDone) {
    Node node(database_.url(), diary_);
    Node other(database_.url(), diary_);
    node.enqueue("effect");
    const auto process = node.write(jobs::internal::register_process, std::string("stopping"));
    std::int64_t batch = 0;
    const auto claimed = claim(node, process, known_kinds, &batch);
    ASSERT_EQ(claimed.size(), 1U);
    beside_a_completion(node, {claimed[0].id, process, batch}, [&] {
        EXPECT_EQ(other.write(jobs::internal::hand_back, process, std::string("[]")), 0);
    });
    EXPECT_TRUE(node.jobs_of("").empty());
}

TEST_P(JobQueue, AFailureThatIsRecordedWhileTheJobCompletesItselfIsNoRetry) {
    Node node(database_.url(), diary_);
    Node other(database_.url(), diary_);
    node.enqueue("effect");
    const auto process = node.write(jobs::internal::register_process, std::string("unsure"));
    std::int64_t batch = 0;
    const auto claimed = claim(node, process, known_kinds, &batch);
    ASSERT_EQ(claimed.size(), 1U);
    const jobs::Lease lease{claimed[0].id, process, batch};
    beside_a_completion(node, lease, [&] {
        jobs::internal::Finished failed;
        failed.lease = lease;
        jobs::internal::ExtraReader extras;
        failed.job = jobs::internal::held_job(claimed[0], extras);
        failed.ends_batch = true;
        failed.decision.verdict = jobs::Verdict::snooze;
        EXPECT_EQ(other.write(jobs::internal::record, process, only(failed)).fates.size(), 0U);
    });
    EXPECT_TRUE(node.jobs_of("").empty());
}

TEST_P(JobQueue, TwoProcessesRunEachJobOnce) {
    Node one(database_.url(), diary_);
    Node two(database_.url(), diary_);
    one.run();
    two.run();
    std::map<std::string, int> expected;
    for (int i = 0; i < 150; ++i) {
        one.enqueue(std::to_string(i));
        expected[std::to_string(i)] = 1;
    }
    ASSERT_TRUE(wait_until([&] { return one.jobs_of("").empty(); }, std::chrono::seconds(30)));
    std::map<std::string, int> runs;
    for (const std::string& text : diary_.all()) ++runs[text];
    EXPECT_EQ(runs, expected);
}

TEST_P(JobQueue, OthersWakeARunnerUntilItHasStopped) {
    Node one(database_.url(), diary_);
    Node other(database_.url(), diary_);
    std::atomic<int> woken{0}, seen{0};
    one.queue->on_wake([&] { ++woken; });
    one.database->listen(jobs::wake_channel, [&] { ++seen; });
    // Until it is heard: a database that has just been opened may not listen yet.
    const auto is_heard = [&] {
        const int before = seen;
        return wait_until([&] {
            other.enqueue("x");
            return seen > before;
        });
    };
    ASSERT_TRUE(is_heard());
    EXPECT_GT(woken, 0);
    one.queue->on_wake(nullptr);
    const int last = woken;
    ASSERT_TRUE(is_heard());
    EXPECT_EQ(woken, last);
}

TEST_P(JobQueue, HigherPrioritiesGoFirstThenTheOlder) {
    Node node(database_.url(), diary_);
    node.enqueue("first");
    node.enqueue("second");
    node.enqueue_urgent("urgent");
    node.runner_options.running_max = 1;
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }, std::chrono::seconds(20)));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"urgent", "first", "second"}));
}

TEST_P(JobQueue, ErrorsThatAreNoTextAreRecordedAsText) {
    Node node(database_.url(), diary_);
    node.run();
    node.enqueue("garbled");
    node.enqueue("long");
    ASSERT_TRUE(
        wait_until([&] { return node.jobs_of("dead").size() == 2; }, std::chrono::seconds(20)));
    const auto dead = node.jobs_of("dead");
    EXPECT_EQ(dead[1].last_error, "internal: bytes ?? and ");
    EXPECT_LE(dead[0].last_error.size(), 2'000U);
    EXPECT_TRUE(dead[0].last_error.ends_with("\xc3\xa4")) << "cut between two letters";
    node.enqueue("after them");
    EXPECT_TRUE(wait_until(
        [&] { return node.jobs_of("waiting").empty() && node.jobs_of("running").empty(); }));
}

TEST_P(JobQueue, AJobThatCompletedItselfAndThenFailedIsDone) {
    Node node(database_.url(), diary_);
    node.run();
    node.enqueue("completed");
    ASSERT_TRUE(wait_until([&] { return !diary_.all().empty() && node.jobs_of("").empty(); }));
    node.enqueue("another");
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 2 && node.jobs_of("").empty(); }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"completed", "another"}));
}

TEST_P(JobQueue, ADeadProcessLosesItsJobsAndItsSay) {
    Node node(database_.url(), diary_);
    const auto id = node.enqueue("orphan");
    const auto dead = node.write(jobs::internal::register_process, std::string("dead:1"));
    std::int64_t batch = 0;
    const auto claimed = claim(node, dead, known_kinds, &batch);
    ASSERT_EQ(claimed.size(), 1U);
    EXPECT_EQ(claimed[0].id, id);
    EXPECT_TRUE(claim(node, dead, known_kinds).empty());

    ASSERT_TRUE(wait_until(
        [&] { return node.write(jobs::internal::rescue, std::int64_t{1'000}, 3).rescued == 1; }));
    const auto waiting = node.jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].crashes, 1);
    EXPECT_EQ(waiting[0].attempt, 0);

    EXPECT_FALSE(node.write(jobs::internal::renew_heartbeat, dead));
    EXPECT_TRUE(claim(node, dead, known_kinds).empty())
        << "a process that was declared dead claims nothing";
    jobs::internal::Finished late;
    late.lease = {id, dead, batch};
    jobs::internal::ExtraReader extras;
    late.job = jobs::internal::held_job(claimed[0], extras);
    late.ends_batch = true;
    late.decision.verdict = jobs::Verdict::bury;
    const auto recorded = node.write(jobs::internal::record, dead, only(late));
    EXPECT_EQ(recorded.lost, 1U) << "a lost lease";
    EXPECT_TRUE(recorded.fates.empty());
    EXPECT_EQ(node.jobs_of("waiting").size(), 1U);
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"orphan"}));
}

TEST_P(JobQueue, WhatAProcessHoldsUnknowinglyIsHandedBack) {
    Node node(database_.url(), diary_);
    node.enqueue("known");
    const auto process = node.write(jobs::internal::register_process, std::string("holder"));
    std::int64_t known = 0;
    ASSERT_EQ(claim(node, process, known_kinds, &known).size(), 1U);
    const auto stray = node.enqueue("stray");
    ASSERT_EQ(claim(node, process, known_kinds).size(), 1U);
    EXPECT_EQ(node.write(jobs::internal::hand_back, process, fmt::format("[{}]", known)), 1);
    const auto waiting = node.jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].id, stray);
    EXPECT_EQ(waiting[0].attempt, 0);
    EXPECT_EQ(node.jobs_of("running").size(), 1U);
    EXPECT_EQ(node.write(jobs::internal::hand_back, process, std::string("[]")), 1);
    EXPECT_EQ(node.write(jobs::internal::hand_back, process, std::string("[]")), 0);
}

TEST_P(JobQueue, AJobThatKillsItsProcessesIsBuried) {
    Node node(database_.url(), diary_);
    node.enqueue("poison");
    for (int life = 1; life <= 3; ++life) {
        const auto process = node.write(jobs::internal::register_process, std::string("victim"));
        ASSERT_EQ(claim(node, process, known_kinds).size(), 1U);
        ASSERT_TRUE(wait_until([&] {
            const auto taken = node.write(jobs::internal::rescue, std::int64_t{1'000}, 3);
            return (life < 3 ? taken.rescued : taken.buried) == 1;
        }));
    }
    const auto dead = node.jobs_of("dead");
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead[0].crashes, 3);
    EXPECT_EQ(dead[0].last_error, "its process died 3 times while it ran");
    EXPECT_TRUE(node.write(jobs::retry_job, dead[0].id));
    EXPECT_EQ(node.jobs_of("waiting").size(), 1U);
}

TEST_P(JobQueue, KindsThatAreUnknownHereWaitForOneWhoKnowsThem) {
    Node node(database_.url(), diary_);
    node.enqueue("unknown to it");
    node.enqueue_urgent("unknown to it too");
    const auto process = node.write(jobs::internal::register_process, std::string("older program"));
    EXPECT_TRUE(claim(node, process, R"(["other.Kind"])").empty());
    const auto some = claim(node, process, R"(["conformance_jobs.Note"])");
    ASSERT_EQ(some.size(), 1U)
        << "what it knows, though what it does not know is of a higher priority";
    EXPECT_EQ(some[0].kind, "conformance_jobs.Note");
}

TEST_P(JobQueue, AKindThatMovesToAnotherQueueLeavesNoneBehind) {
    Node older(database_.url(), diary_, moved::before);
    const auto left = older.write(enqueue_in<moved::Moved>, moved::Moved{"in the queue before"});
    Node newer(database_.url(), diary_, moved::after);
    newer.write(enqueue_in<moved::Moved>, moved::Moved{"in the queue now"});
    newer.run();
    ASSERT_TRUE(wait_until([&] { return newer.jobs_of("").empty(); })) << left << " waits";
    EXPECT_EQ(diary_.all().size(), 2U);
}

}  // namespace
}  // namespace tests::conformance
