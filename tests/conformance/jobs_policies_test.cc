// What a kind's policy says beside limits, on every database: which errors are worth a try, how
// long a key is taken, what a full queue answers.

#include <algorithm>
#include <thread>

#include "loadstone/base/error.h"
#include "loadstone/jobs/internal/following.h"
#include "loadstone/jobs/workflow.h"
#include "tests/conformance/jobs_stage.h"

namespace policies {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;
using std::chrono::milliseconds;
using test_kinds::note;
using test_kinds::stage;
using test_kinds::wait_for_the_end;

struct Failing {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Failing, (), (text))
Task<void> handle_failing(Context& context, Job<Failing> job) {
    note(context, job->text);
    if (job.attempt() == 1)
        throw loadstone::Error(
            job->text == "gone" ? loadstone::Errc::not_found : loadstone::Errc::permission_denied,
            "it fails once");
    co_return;
}

struct Refresh {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Refresh, (), (key, text))
Task<void> handle_refresh(Context& context, Job<Refresh> job) {
    note(context, job->text);
    co_await wait_for_the_end(context);
}

struct Merged {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Merged, (), (key, text))
Task<void> handle_merged(Context& context, Job<Merged> job) {
    note(context, job->text);
    co_return;
}

struct Task1 {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Task1, (), (text))
Task<void> handle_task(Context& context, Job<Task1> job) {
    note(context, job->text);
    if (job->text == "bad") throw loadstone::Error(loadstone::Errc::data_loss, "bad");
    if (job->text == "slow") co_await wait_for_the_end(context);
}

struct Slow {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Slow, (), (text))
Task<void> handle_slow(Context& context, Job<Slow>) { co_await wait_for_the_end(context); }

void declare(loadstone::Handlers& handlers) {
    using loadstone::Errc;
    handlers.handle(handle_failing)
        .bury_on({Errc::not_found})
        .retry_on({Errc::permission_denied})
        .jitter(0)
        .backoff(milliseconds(10), milliseconds(10));
    handlers.handle(handle_refresh).unique(&Refresh::key).unique_while(jobs::UniqueWhile::waits);
    handlers.handle(handle_merged)
        .queue("merged")
        .unique(&Merged::key)
        .bound(3, jobs::OverBound::merge);
    handlers.handle(handle_task);
    handlers.handle(handle_slow).queue("slow");
}

std::string as_it_is(int, std::string json) { return json; }
// The program that comes after it.
void declare_newer(loadstone::Handlers& handlers) {
    handlers.handle(handle_task).version(2, as_it_is);
}

}  // namespace policies

namespace tests::conformance {
namespace {

using namespace policies;

class JobPolicies : public StagedJobs {
protected:
    JobPolicies() : StagedJobs(policies::declare) {}
};

INSTANTIATE_TEST_SUITE_P(Databases, JobPolicies,
                         testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// Where transactions run side by side.
class JobPoliciesPostgres : public JobPolicies {};
INSTANTIATE_TEST_SUITE_P(Databases, JobPoliciesPostgres, testing::Values(Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

TEST_P(JobPolicies, AKindSaysWhichErrorsAreWorthATry) {
    auto one = node();
    one->run();
    one->write(add<Failing>, Failing{"gone"});
    one->write(add<Failing>, Failing{"forbidden"});
    ASSERT_TRUE(wait_until([&] { return count("forbidden") == 2; }));
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    EXPECT_EQ(one->jobs_of("dead").size(), 1U);
    EXPECT_EQ(count("gone"), 1);
}

TEST_P(JobPolicies, AKeyIsTakenUntilItsJobBegins) {
    auto one = node();
    stage_.may_end = false;
    const auto first = one->write(add<Refresh>, Refresh{"k", "first"});
    EXPECT_EQ(one->write(add<Refresh>, Refresh{"k", "while it waits"}), first);
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    const auto second = one->write(add<Refresh>, Refresh{"k", "while it runs"});
    EXPECT_NE(second, first);
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"first", "while it runs"}));
    EXPECT_NE(one->write(add<Refresh>, Refresh{"k", "after it"}), second);
    ASSERT_TRUE(is_done(*one));
}

Task<bool> merge_and_dawdle(Tx& tx) {
    const Refresh merged{"k", "merged"};
    co_await jobs::enqueue(tx, merged);
    ++policies::stage->attempts;
    const auto later = Deadline::in(milliseconds(1'500));
    co_await loadstone::runtime::sleep_until(later);
    co_return true;
}

// Or it would not see what that has written.
TEST_P(JobPoliciesPostgres, AJobBeginsAfterWhatWasMergedIntoIt) {
    auto one = node();
    auto two = node();
    const auto first = one->write(add<Refresh>, Refresh{"k", "first"});
    std::int64_t merged_until = 0;
    std::thread slow([&] {
        two->write(merge_and_dawdle);
        merged_until = std::ranges::count(diary_.all(), "first");
    });
    ASSERT_TRUE(wait_until([&] { return stage_.attempts == 1; }));
    one->run();
    one->enqueue("innocent");
    EXPECT_TRUE(wait_until([&] { return count("innocent") == 1; }, std::chrono::seconds(1)));
    EXPECT_EQ(count("first"), 0) << first;
    slow.join();
    EXPECT_LE(merged_until, 1);
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(count("first"), 1);
    EXPECT_EQ(count("merged"), 0);
}

TEST_P(JobPolicies, AQueueOverItsBoundMerges) {
    auto one = node();
    for (int i = 0; i < 4; ++i) one->write(add<Merged>, Merged{"a", "within"});
    EXPECT_EQ(one->jobs_of("waiting").size(), 4U);
    // The depth is looked at once a second.
    std::size_t before = 0;
    ASSERT_TRUE(wait_until([&] {
        before = one->jobs_of("waiting").size();
        one->write(add<Merged>, Merged{"a", "beyond"});
        return one->jobs_of("waiting").size() == before;
    }));
    const auto kept = one->write(add<Merged>, Merged{"b", "the first of its key"});
    EXPECT_EQ(one->write(add<Merged>, Merged{"b", "another"}), kept);
    EXPECT_EQ(one->jobs_of("waiting").size(), before + 1);
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(count("the first of its key"), 1);
    EXPECT_EQ(count("another"), 0);
    // It has room again.
    ASSERT_TRUE(wait_until([&] {
        const auto a = one->write(add<Merged>, Merged{"b", "again"});
        return one->write(add<Merged>, Merged{"b", "again"}) != a;
    }));
    ASSERT_TRUE(is_done(*one));
}

Task<std::int64_t> add_at(Tx& tx, std::string text, loadstone::Timestamp at) {
    jobs::EnqueueOptions options;
    options.at = at;
    const Task1 arguments{text};
    co_return co_await jobs::enqueue(tx, arguments, options);
}

TEST_P(JobPolicies, AJobBeginsAtItsTime) {
    auto one = node();
    const auto at = loadstone::Timestamp::now() + std::chrono::hours(1);
    const auto later = one->write(add_at, std::string("later"), at);
    one->write(add_at, std::string("over"), loadstone::Timestamp::now() - std::chrono::hours(1));
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    const auto waiting = one->jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].id, later);
    EXPECT_EQ(waiting[0].run_at, at);
    one->write(add_at, std::string("soon"), loadstone::Timestamp::now() + milliseconds(300));
    ASSERT_TRUE(wait_until([&] { return count("soon") == 1; }));
    EXPECT_EQ(count("later"), 0);
}

Task<std::int64_t> add_after(Tx& tx, std::string text, std::vector<std::int64_t> before,
                             jobs::IfFailed if_failed) {
    jobs::EnqueueOptions options;
    options.after = before;
    options.if_failed = if_failed;
    const Task1 arguments{text};
    co_return co_await jobs::enqueue(tx, arguments, options);
}

TEST_P(JobPolicies, AJobBeginsAfterOthersThatThereWereAlready) {
    auto one = node();
    constexpr auto cancel = jobs::IfFailed::cancel;
    stage_.may_end = false;
    const auto ready = one->write(add<Task1>, Task1{"ready"});
    const auto later = one->write(add_at, std::string("scheduled"),
                                  loadstone::Timestamp::now() + milliseconds(500));
    const std::vector<std::int64_t> both{ready, later};
    const auto blocked = one->write(add_after, std::string("blocked"), both, cancel);
    one->write(add_after, std::string("last"), std::vector<std::int64_t>{blocked}, cancel);
    one->write(add_after, std::string("no such job"), std::vector<std::int64_t>{1'000'000}, cancel);
    one->run();
    const auto slow = one->write(add<Task1>, Task1{"slow"});
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    one->write(add_after, std::string("after one that runs"), std::vector<std::int64_t>{slow},
               cancel);
    ASSERT_TRUE(wait_until([&] { return count("last") == 1 && count("no such job") == 1; }));
    EXPECT_EQ(count("after one that runs"), 0);
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(count("after one that runs"), 1);
    const auto all = diary_.all();
    const auto place = [&](const std::string& text) { return std::ranges::find(all, text); };
    EXPECT_LT(place("ready"), place("blocked"));
    EXPECT_LT(place("scheduled"), place("blocked"));
    EXPECT_LT(place("blocked"), place("last"));
    EXPECT_FALSE(one->read(jobs::internal::has_follows));
}

TEST_P(JobPolicies, WhatComesAfterAJobThatHasFailedIsDroppedOrRuns) {
    auto one = node();
    const auto bad = one->write(add<Task1>, Task1{"bad"});
    const std::vector<std::int64_t> before{bad};
    one->write(add_after, std::string("dropped"), before, jobs::IfFailed::cancel);
    one->write(add_after, std::string("runs"), before, jobs::IfFailed::run);
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    // And of one that is a dead letter already.
    one->write(add_after, std::string("dropped"), before, jobs::IfFailed::cancel);
    one->write(add_after, std::string("runs"), before, jobs::IfFailed::run);
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    EXPECT_EQ(count("runs"), 2);
    EXPECT_EQ(count("dropped"), 0);
}

Task<std::int64_t> add_unique_after(Tx& tx, std::int64_t before) {
    jobs::EnqueueOptions options;
    options.after.push_back(before);
    const Refresh arguments{"k", "x"};
    co_return co_await jobs::enqueue(tx, arguments, options);
}

TEST_P(JobPolicies, AUniqueJobComesAfterNone) {
    auto one = node();
    EXPECT_THROW(one->write(add_unique_after, std::int64_t{1}), loadstone::Error);
}

Task<std::vector<std::int64_t>> add_workflow(Tx& tx) {
    jobs::Workflow workflow;
    const auto first = workflow.add("first", Task1{"slow"});
    const auto second = workflow.add("second", Task1{"second"}, {first});
    const auto other = workflow.add("other", Task1{"other"}, {first}, jobs::IfFailed::run);
    workflow.add("last", Task1{"last"}, {second, other}, jobs::IfFailed::run);
    co_return co_await jobs::enqueue(tx, workflow);
}
Task<std::int64_t> add_batch(Tx& tx) {
    const std::vector<Task1> parts(2'500, Task1{"part"});
    const Task1 then{"then"};
    co_return co_await jobs::enqueue_batch(tx, parts, then);
}

TEST_P(JobPolicies, AWorkflowIsCancelledAsAWhole) {
    auto one = node();
    const auto innocent = one->write(add_workflow);
    for (const bool by_last : {true, false}) {
        const auto ids = one->write(add_workflow);
        const auto cancelled = one->write(jobs::cancel_workflow, by_last ? ids.back() : ids[1]);
        EXPECT_EQ(cancelled.dropped, 4);
        EXPECT_EQ(cancelled.asked, 0);
    }
    EXPECT_EQ(one->jobs_of("").size(), innocent.size());
    stage_.may_end = false;
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    const auto cancelled = one->write(jobs::cancel_workflow, innocent[0]);
    EXPECT_EQ(cancelled.dropped, 3);
    EXPECT_EQ(cancelled.asked, 1);
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(diary_.all(), std::vector<std::string>{"slow"});
    EXPECT_EQ(one->write(jobs::cancel_workflow, innocent[0]).dropped, 0);
}

TEST_P(JobPolicies, ABatchIsCancelledWithItsCallback) {
    auto one = node();
    const auto then = one->write(add_batch);
    EXPECT_EQ(one->write(jobs::cancel_workflow, then).dropped, 2'501);
    EXPECT_TRUE(one->jobs_of("").empty());
}

TEST_P(JobPolicies, ArgumentsOfANewerVersionWaitForAProgramThatKnowsThem) {
    auto newer = std::make_unique<Node>(database_.url(), diary_, policies::declare_newer);
    newer->write(add<Task1>, Task1{"new"});
    auto older = node();
    older->run();
    older->write(add<Task1>, Task1{"old"});
    ASSERT_TRUE(wait_until([&] { return count("old") == 1; }));
    ASSERT_TRUE(wait_until([&] {
        const auto waiting = older->jobs_of("waiting");
        return waiting.size() == 1 && waiting[0].last_error.starts_with("its arguments are of");
    }));
    EXPECT_EQ(older->jobs_of("waiting")[0].attempt, 0);
    EXPECT_EQ(count("new"), 0);
    older->runner->stop(Deadline::in(milliseconds(5'000)));
    older->runner.reset();
    newer->run();
    ASSERT_TRUE(is_done(*newer));
    EXPECT_EQ(count("new"), 1);
}

TEST_P(JobPolicies, ASlowQueueNeverHasTheLastPlace) {
    auto one = node();
    one->runner_options.running_max = 12;
    stage_.may_end = false;
    one->run();
    for (int i = 0; i < 40; ++i) one->write(add<Slow>, Slow{"slow"});
    ASSERT_TRUE(wait_until([&] { return stage_.running >= 10; }));
    one->enqueue("innocent");
    one->write(add<Merged>, Merged{"k", "innocent too"});
    ASSERT_TRUE(wait_until([&] { return count("innocent") == 1 && count("innocent too") == 1; },
                           std::chrono::seconds(3)));
    EXPECT_EQ(stage_.running, 10) << "a place for each of the other two queues";
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
}

TEST_P(JobPolicies, WhatIsCountedIsOfAQueueAndKind) {
    auto one = node();
    one->run();
    one->write(add<Failing>, Failing{"gone"});
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("dead").size() == 1; }));
    const std::string labels = R"({queue="test",kind="policies.Failing"})";
    ASSERT_TRUE(wait_until([&] {
        return one->registry.prometheus().find("loadstone_jobs_buried_total" + labels + " 1\n") !=
               std::string::npos;
    }));
    const std::string text = one->registry.prometheus();
    EXPECT_NE(text.find("loadstone_jobs_wait_seconds_count" + labels + " 1\n"), std::string::npos);
    EXPECT_NE(text.find("loadstone_jobs_retried_total" + labels + " 0\n"), std::string::npos);
}

}  // namespace
}  // namespace tests::conformance
