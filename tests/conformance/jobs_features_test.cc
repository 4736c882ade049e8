// What a handler and a transaction can do, on every database: versions, steps, progress,
// cancellation, workflows, batches, events.

#include "tests/conformance/jobs_features.h"

namespace tests::conformance {
namespace {

using namespace features;

Task<bool> publish_in(Tx& tx, std::string what) {
    const Happened event{std::move(what)};
    co_await jobs::publish(tx, event);
    co_return true;
}

INSTANTIATE_TEST_SUITE_P(Databases, JobFeatures,
                         testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

TEST_P(JobFeatures, ArgumentsOfAnOlderVersionAreBroughtUp) {
    auto one = node();
    one->write(add<Greeting>, Greeting{"new", "de"});
    static constexpr std::string_view text =
        "insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, "
        "run_at) values ('test', 0, 'features.Greeting', '{\"name\":\"old\"}', '', 0, 0)";
    static constexpr loadstone::store::Command insert{
        .name = "test.insert", .sqlite = text, .postgres = text};
    one->write(+[](Tx& tx) -> Task<bool> {
        co_await tx.exec(insert);
        co_return true;
    });
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(counts(), (std::map<std::string, int>{{"new de", 1}, {"old en", 1}}));
}

TEST_P(JobFeatures, AnAttemptBeginsWhereTheOneBeforeHadSaved) {
    auto one = node();
    stage_.failures_left = 1;
    stage_.may_end = false;
    const auto id = one->write(add<Long>, Long{4});
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    EXPECT_EQ(runs(), (std::vector<std::string>{"step 0", "step 1", "step 2", "step 3"}));
    EXPECT_EQ(stage_.attempts, 2);
    std::optional<jobs::Progress> progress;
    ASSERT_TRUE(wait_until([&] {
        progress = one->progress(id);
        return progress && progress->fraction == 1.0;
    }));
    EXPECT_EQ(progress->note, "4 done");
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, ARunningJobIsCancelled) {
    auto one = node();
    stage_.may_end = false;
    const auto id = one->write(add<Crowded>, Crowded{"a", "runs"});
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    EXPECT_TRUE(one->write(jobs::cancel_job, id).was_asked);
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(stage_.running, 0);
    EXPECT_EQ(runs().size(), 1U);
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, AHandlerThatDoesNotLookIsLeftBehind) {
    auto one = node();
    ASSERT_NO_FATAL_FAILURE(leave_one_behind(*one));
    one->write(add<Stubborn>, Stubborn{"next"});
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs().size(), 2U);
    ASSERT_TRUE(wait_until([&] {
        return one->registry.prometheus().find("loadstone_jobs_running 0\n") != std::string::npos;
    }));
    EXPECT_NE(one->registry.prometheus().find("loadstone_jobs_cancelled_total 1\n"),
              std::string::npos)
        << "once";
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, AJobThatHasExpiredEndsInThePlaceOfOneThatWasLeftBehind) {
    auto one = node();
    ASSERT_NO_FATAL_FAILURE(leave_one_behind(*one));
    ASSERT_TRUE(wait_until([&] {
        return one->registry.prometheus().find("loadstone_jobs_running 0\n") != std::string::npos;
    })) << "its place is free, and the next to be taken";
    static constexpr std::string_view text =
        "insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, "
        "run_at, extra) values ('test', 0, 'features.Greeting', '{}', '', 0, 0, "
        "'{\"expires_after\":1}')";
    static constexpr loadstone::store::Command insert{
        .name = "test.insert", .sqlite = text, .postgres = text};
    one->write(+[](Tx& tx) -> Task<bool> {
        co_await tx.exec(insert);
        co_return true;
    });
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs().size(), 1U);
}

TEST_P(JobFeatures, ASnoozeIsNoAttempt) {
    auto one = node();
    stage_.failures_left = 3;
    one->write(add<Snoozer>, Snoozer{"z"});
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(counts(), (std::map<std::string, int>{{"z 1", 4}}));
}

Task<bool> enqueue_pair(Tx& tx) {
    jobs::Workflow workflow;
    const auto first = workflow.add("b", Part{"b", 2});
    workflow.add("sum", Sum{"b"}, {first});
    co_await jobs::enqueue(tx, workflow);
    co_return true;
}

Task<bool> complete_it(Tx& tx, jobs::Lease lease) {
    co_await jobs::complete(tx, lease);
    co_return true;
}

TEST_P(JobFeatures, WhatAJobGaveBeforeItCompletedItselfOutlivesItsProcess) {
    auto one = node();
    one->write(enqueue_pair);
    const auto process = one->write(jobs::internal::register_process, std::string("victim"));
    const std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "", 0, 0, R"(["features.Part"])", 1, 1}};
    const auto claimed = one->write(jobs::internal::claim, process, lanes_of(lanes),
                                    std::int64_t{1}, no_limits, no_loans);
    ASSERT_EQ(claimed.batches.size(), 1U);
    jobs::RunNotes notes;
    notes.begin(*one->queue->find("features.Part"));
    notes.give_result("2");
    const jobs::Lease lease{claimed.batches[0].jobs[0].id, process, claimed.batches[0].id(),
                            &notes};
    one->write(complete_it, lease);
    one->run();  // the process dies, and is found dead
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs(), std::vector<std::string>{"sum 2 of 1, 0 failed"});
    expect_nothing_left(*one);
}

jobs::Workflow diamond(const char* c, jobs::IfFailed if_failed = jobs::IfFailed::cancel) {
    jobs::Workflow workflow;
    const auto a = workflow.add("a", Part{"a", 1});
    const auto b = workflow.add("b", Part{"b", 2}, {a});
    const auto left = workflow.add("c", Part{c, 4}, {a});
    const auto sum = workflow.add("sum", Sum{"bc"}, {b, left}, if_failed);
    workflow.add("last", Part{"last", 0}, {sum});
    return workflow;
}

Task<std::int64_t> enqueue_diamond(Tx& tx, std::string c, bool runs_if_failed) {
    const auto workflow =
        diamond(c.c_str(), runs_if_failed ? jobs::IfFailed::run : jobs::IfFailed::cancel);
    const auto ids = co_await jobs::enqueue(tx, workflow);
    co_return ids.back();
}

TEST_P(JobFeatures, AWorkflowRunsInItsOrderAndPassesResultsOn) {
    auto one = node();
    auto two = node();
    const auto last = one->write(enqueue_diamond, std::string("c"), false);
    EXPECT_EQ(one->why(last), "it waits for 1 other jobs to end");
    one->run();
    two->run();
    ASSERT_TRUE(is_done(*one));
    const auto order = runs();
    ASSERT_EQ(order.size(), 5U);
    EXPECT_EQ(order[0], "a");
    EXPECT_EQ(order[3], "sum 6 of 2, 0 failed");
    EXPECT_EQ(order[4], "last");
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, WhatWaitsForAFailedJobIsCancelled) {
    auto one = node();
    one->write(enqueue_diamond, std::string("bad"), false);
    one->run();
    ASSERT_TRUE(wait_until(
        [&] { return one->jobs_of("dead").size() == 1 && one->jobs_of("").size() == 1; }));
    EXPECT_EQ(counts(), (std::map<std::string, int>{{"a", 1}, {"b", 1}, {"bad", 1}}));
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, OrRunsNevertheless) {
    auto one = node();
    one->write(enqueue_diamond, std::string("bad"), true);
    one->run();
    ASSERT_TRUE(wait_until([&] { return counts()["last"] == 1; }));
    EXPECT_EQ(counts()["sum 1002 of 2, 1 failed"], 1);
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    expect_nothing_left(*one);
}

Task<std::int64_t> enqueue_batch_in(Tx& tx, int count, int bad) {
    std::vector<Part> parts;
    for (int i = 0; i < count; ++i) parts.push_back({i < bad ? "bad" : "good", i});
    const Sum then{""};
    co_return co_await jobs::enqueue_batch(tx, parts, then);
}

TEST_P(JobFeatures, ABatchEndsWithItsCallbackOnce) {
    auto one = node();
    auto two = node();
    one->write(enqueue_batch_in, 300, 2);
    one->run();
    two->run();
    ASSERT_TRUE(wait_until([&] { return counts()["sum 0 of 300, 2 failed"] == 1; },
                           std::chrono::seconds(20)));
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 2; }));
    EXPECT_EQ(counts()["good"], 298);
    one->write(enqueue_batch_in, 0, 0);
    ASSERT_TRUE(wait_until([&] { return counts()["sum 0 of 0, 0 failed"] == 1; }));
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, ABatchWithAJobThatIsCancelledEndsToo) {
    auto one = node();
    one->write(enqueue_batch_in, 3, 0);
    const auto waiting = one->jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 3U);
    EXPECT_TRUE(one->write(jobs::cancel_job, waiting[0].id).was_dropped);
    one->run();
    ASSERT_TRUE(wait_until([&] { return counts()["sum 0 of 3, 1 failed"] == 1; }));
    ASSERT_TRUE(is_done(*one));
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, AnEventReachesItsSubscribers) {
    auto one = node();
    one->write(publish_in, std::string("it"));
    const auto waiting = one->jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].kind, "test.on:features.Happened");
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs(), std::vector<std::string>{"heard of it"});
}

TEST_P(JobFeatures, WhoHasAskedIsToldOnceOfAJobThatIsBuried) {
    auto one = node();
    one->write(add<Doomed>, Doomed{"new", ""});
    // Of the version before; of the second nobody can make the arguments of now.
    static constexpr std::string_view text =
        "insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, "
        "run_at) values ('test', 0, 'features.Doomed', '{\"text\":\"old\"}', '', 0, 0), "
        "('test', 0, 'features.Doomed', '{\"text\":\"unreadable\"}', '', 0, 0)";
    static constexpr loadstone::store::Command insert{
        .name = "test.insert", .sqlite = text, .postgres = text};
    one->write(+[](Tx& tx) -> Task<bool> {
        co_await tx.exec(insert);
        co_return true;
    });
    one->run();
    ASSERT_TRUE(wait_until(
        [&] { return one->jobs_of("dead").size() == 3 && one->jobs_of("").size() == 3; }));
    EXPECT_EQ(counts(), (std::map<std::string, int>{{"new 1", 1},
                                                    {"new 2", 1},
                                                    {"new is buried", 1},
                                                    {"old 1", 1},
                                                    {"old 2", 1},
                                                    {"old is buried, upcast", 1}}));
    expect_nothing_left(*one);
}

}  // namespace
}  // namespace tests::conformance
