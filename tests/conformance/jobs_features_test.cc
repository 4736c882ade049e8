// What a job kind can declare and a handler can do, on every database: limits, order, tenants,
// uniqueness, expiry, bounds, versions, steps, progress, cancellation, workflows, batches, events.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>

#include "loadstone/jobs/publish.h"
#include "loadstone/jobs/workflow.h"
#include "tests/conformance/jobs_node.h"

namespace features {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;
using std::chrono::milliseconds;
using tests::conformance::Diary;

// What handlers do is steered by the test through this.
struct Stage {
    std::atomic<int> running{0}, running_max{0};
    std::atomic<bool> may_end{true};
    std::atomic<int> failures_left{0};
    std::atomic<int> attempts{0};
};
Stage* stage = nullptr;  // of the test that runs

void note(Context& context, const std::string& text) { context.services().get<Diary>().ran(text); }

Task<void> wait_for_the_end(Context& context) {
    const int now = ++stage->running;
    int seen = stage->running_max;
    while (seen < now && !stage->running_max.compare_exchange_weak(seen, now)) {
    }
    while (!stage->may_end && !context.is_cancelled()) {
        const auto soon = loadstone::Deadline::in(milliseconds(2));
        co_await loadstone::runtime::sleep_until(soon);
    }
    --stage->running;
    context.throw_if_done("waiting for the end");
}

struct Crowded {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Crowded, (), (key, text))
Task<void> handle_crowded(Context& context, Job<Crowded> job) {
    note(context, job->text);
    co_await wait_for_the_end(context);
}

struct Throttled {
    std::string host, text;
};
BOOST_DESCRIBE_STRUCT(Throttled, (), (host, text))
Task<void> handle_throttled(Context& context, Job<Throttled> job) {
    note(context, job->text);
    co_return;
}

struct Ordered {
    std::string account;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Ordered, (), (account, number))
Task<void> handle_ordered(Context& context, Job<Ordered> job) {
    note(context, job->account + std::to_string(job->number));
    if (job->number == 0 && stage->failures_left-- > 0) throw std::runtime_error("not yet");
    co_return;
}

struct Tenanted {
    std::string tenant;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Tenanted, (), (tenant, number))
Task<void> handle_tenanted(Context& context, Job<Tenanted> job) {
    note(context, job->tenant);
    co_return;
}

struct Unique {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Unique, (), (key, text))
Task<void> handle_unique(Context& context, Job<Unique> job) {
    note(context, job->text);
    co_await wait_for_the_end(context);
    if (stage->failures_left-- > 0) throw loadstone::Error(loadstone::Errc::data_loss, "broken");
}

struct Periodic {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(Periodic, (), (key))
Task<void> handle_periodic(Context& context, Job<Periodic> job) {
    note(context, job->key);
    co_return;
}

struct Fleeting {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Fleeting, (), (text))
Task<void> handle_fleeting(Context& context, Job<Fleeting> job) {
    note(context, job->text);
    co_return;
}

struct Bounded {
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Bounded, (), (number))
struct Postponed {
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Postponed, (), (number))
Task<void> handle_bounded(Context& context, Job<Bounded> job) {
    note(context, std::to_string(job->number));
    co_return;
}
Task<void> handle_postponed(Context& context, Job<Postponed> job) {
    note(context, std::to_string(job->number));
    co_return;
}

struct Greeting {
    std::string name, language;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (name, language))
Task<void> handle_greeting(Context& context, Job<Greeting> job) {
    note(context, job->name + " " + job->language);
    co_return;
}

struct Long {
    int steps = 0;
};
BOOST_DESCRIBE_STRUCT(Long, (), (steps))
Task<void> save_count(loadstone::Tx& tx, jobs::Lease lease, int count) {
    co_await jobs::save_step(tx, lease, "count", count);
}
Task<void> handle_long(Context& context, Job<Long> job) {
    ++stage->attempts;
    const auto saved = co_await jobs::saved_step<int>(context.reader(), job.lease(), "count");
    for (int i = saved.value_or(0); i < job->steps; ++i) {
        note(context, "step " + std::to_string(i));
        co_await context.write(save_count, job.lease(), i + 1);
        job.progress((i + 1.0) / job->steps, std::to_string(i + 1) + " done");
        if (i == 1 && stage->failures_left-- > 0) throw std::runtime_error("in the middle");
    }
    co_await wait_for_the_end(context);
}

struct Stubborn {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Stubborn, (), (text))
// Looks at nothing but the stage.
Task<void> handle_stubborn(Context& context, Job<Stubborn> job) {
    note(context, job->text);
    while (!stage->may_end) {
        const auto soon = loadstone::Deadline::in(milliseconds(2));
        co_await loadstone::runtime::sleep_until(soon);
    }
}

struct Snoozer {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Snoozer, (), (text))
Task<void> handle_snoozer(Context& context, Job<Snoozer> job) {
    note(context, job->text + " " + std::to_string(job.attempt()));
    if (stage->failures_left-- > 0) throw jobs::snooze(milliseconds(50));
    co_return;
}

struct Part {
    std::string name;
    int value = 0;
};
BOOST_DESCRIBE_STRUCT(Part, (), (name, value))
Task<void> handle_part(Context& context, Job<Part> job) {
    note(context, job->name);
    if (job->name == "bad") throw loadstone::Error(loadstone::Errc::data_loss, "bad");
    job.give(job->value);
    co_return;
}
struct Sum {
    std::string of;
};
BOOST_DESCRIBE_STRUCT(Sum, (), (of))
Task<void> handle_sum(Context& context, Job<Sum> job) {
    int sum = 0;
    for (const char c : job->of) {
        const std::string name(1, c);
        const auto part = co_await jobs::result_of<int>(context.reader(), job.lease(), name);
        sum += part.value_or(1'000);
    }
    const auto before = co_await jobs::ended_before(context.reader(), job.lease());
    note(context, "sum " + std::to_string(sum) + " of " + std::to_string(before.jobs) + ", " +
                      std::to_string(before.failed) + " failed");
}

struct Happened {
    std::string what;
};
BOOST_DESCRIBE_STRUCT(Happened, (), (what))
Task<void> on_happened(Context& context, Job<Happened> job) {
    note(context, "heard of " + job->what);
    co_return;
}

std::string add_language(int from, std::string json) {
    EXPECT_EQ(from, 1);
    json.pop_back();
    return json + R"(,"language":"en"})";
}

void declare(loadstone::Handlers& handlers) {
    handlers.handle(handle_crowded).limit({.name = "crowd", .running_max = 2}, &Crowded::key);
    handlers.handle(handle_throttled)
        .limit({.name = "host", .per_second = 20, .burst = 5}, &Throttled::host);
    handlers.handle(handle_ordered)
        .in_order(&Ordered::account)
        .backoff(milliseconds(50), milliseconds(50));
    handlers.handle(handle_tenanted).tenant(&Tenanted::tenant);
    handlers.handle(handle_unique).unique(&Unique::key);
    handlers.handle(handle_periodic).unique_for(milliseconds(1'500), &Periodic::key);
    handlers.handle(handle_fleeting).expires_after(milliseconds(100));
    handlers.handle(handle_bounded).queue("bounded").bound(3);
    handlers.handle(handle_postponed)
        .queue("postponed")
        .bound(3, jobs::OverBound::delay, milliseconds(3'600'000));
    handlers.handle(handle_greeting).version(2, add_language);
    handlers.handle(handle_long).backoff(milliseconds(10), milliseconds(10));
    handlers.handle(handle_stubborn);
    handlers.handle(handle_snoozer);
    handlers.handle(handle_part).attempts(1);
    handlers.handle(handle_sum);
    handlers.on(on_happened);
}

}  // namespace features

namespace tests::conformance {
namespace {

using namespace features;

template <class T>
Task<std::int64_t> add(Tx& tx, T arguments) {
    co_return co_await tx.enqueue(arguments);
}
template <class T>
Task<bool> add_all(Tx& tx, std::vector<T> arguments) {
    co_await jobs::enqueue_all(tx, arguments);
    co_return true;
}
Task<bool> change_limit(Tx& tx, jobs::LimitChange change) {
    co_await jobs::set_limit(tx, change);
    co_return true;
}
Task<bool> publish_in(Tx& tx, std::string what) {
    const Happened event{std::move(what)};
    co_await jobs::publish(tx, event);
    co_return true;
}

class JobFeatures : public JobQueue {
protected:
    JobFeatures() { features::stage = &stage_; }
    ~JobFeatures() override { stage_.may_end = true; }

    std::unique_ptr<Node> node() {
        return std::make_unique<Node>(database_.url(), diary_, features::declare);
    }
    bool is_done(Node& node) {
        return wait_until([&] { return node.jobs_of("").empty(); }, std::chrono::seconds(30));
    }
    std::vector<std::string> runs() { return diary_.all(); }
    std::map<std::string, int> counts() {
        std::map<std::string, int> all;
        for (const std::string& text : runs()) ++all[text];
        return all;
    }
    // The tables that hold what concerns a job's end are empty.
    void expect_nothing_left(Node& node) { EXPECT_EQ(node.read(count_left), 0); }
    static Task<std::int64_t> count_left(Reader reader) {
        static constexpr std::string_view text =
            "select (select count(*) from loadstone_unique where until = 0) + "
            "(select count(*) from loadstone_blocked) + (select count(*) from loadstone_results) + "
            "(select count(*) from loadstone_steps) + (select count(*) from loadstone_progress) + "
            "(select count(*) from loadstone_cancels) + "
            "(select count(*) from loadstone_limits where running <> 0)";
        static constexpr loadstone::store::Query query{
            .name = "test.left", .sqlite = text, .postgres = text};
        co_return co_await reader.one<std::int64_t>(query);
    }

    Stage stage_;
};

INSTANTIATE_TEST_SUITE_P(Databases, JobFeatures,
                         testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

TEST_P(JobFeatures, OfOneKeySoManyRunAtOnceInAllProcesses) {
    auto one = node();
    auto two = node();
    stage_.may_end = false;
    for (int i = 0; i < 8; ++i) one->write(add<Crowded>, Crowded{"a", std::to_string(i)});
    one->run();
    two->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 2; }));
    const auto waiting = one->jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 6U);
    EXPECT_EQ(one->why(waiting[0].id), "limit crowd:a has all of its 2 places taken");
    // Another key is not held up.
    one->write(add<Crowded>, Crowded{"b", "other"});
    ASSERT_TRUE(wait_until([&] { return stage_.running == 3; }));
    stage_.running_max = 0;
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
    EXPECT_LE(stage_.running_max, 3);
    EXPECT_EQ(counts().size(), 9U);
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, ALimitIsChangedWhileJobsRun) {
    auto one = node();
    stage_.may_end = false;
    one->run();
    std::vector<Crowded> all;
    for (int i = 0; i < 8; ++i) all.push_back({"a", std::to_string(i)});
    one->write(add_all<Crowded>, all);
    ASSERT_TRUE(wait_until([&] { return stage_.running == 2; }));
    jobs::LimitChange change;
    change.name = "crowd";
    change.running_max = 5;
    one->write(change_limit, change);
    ASSERT_TRUE(wait_until([&] { return stage_.running == 5; }));
    EXPECT_TRUE(one->write(jobs::unset_limit, std::string("crowd")));
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, AThrottleHoldsInAllProcesses) {
    auto one = node();
    auto two = node();
    std::vector<Throttled> all;
    for (int i = 0; i < 25; ++i) all.push_back({"slow.example", std::to_string(i)});
    all.push_back({"other.example", "other"});
    const auto began = std::chrono::steady_clock::now();
    one->run();
    two->run();
    one->write(add_all<Throttled>, all);
    // 5 at once, then 20 a second: the last of 25 a second later.
    ASSERT_TRUE(is_done(*one));
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_GE(took, milliseconds(990));
    EXPECT_LT(took, milliseconds(5'000));
    EXPECT_EQ(counts().size(), 26U);
}

TEST_P(JobFeatures, JobsOfOneKeyRunInOrderAlsoWhenOneFails) {
    auto one = node();
    auto two = node();
    stage_.failures_left = 2;
    std::vector<Ordered> all;
    for (int i = 0; i < 6; ++i) {
        all.push_back({"x", i});
        all.push_back({"y", i});
    }
    one->write(add_all<Ordered>, all);
    one->run();
    two->run();
    ASSERT_TRUE(is_done(*one));
    std::map<std::string, std::vector<std::string>> by_account;
    for (const std::string& text : runs()) {
        auto& own = by_account[text.substr(0, 1)];
        if (own.empty() || own.back() != text.substr(1)) own.push_back(text.substr(1));
    }
    const std::vector<std::string> in_order{"0", "1", "2", "3", "4", "5"};
    EXPECT_EQ(by_account["x"], in_order);
    EXPECT_EQ(by_account["y"], in_order);
    EXPECT_EQ(runs().size(), 14U);
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, ATenantWithAHugeBacklogHoldsUpNoOther) {
    auto one = node();
    std::vector<Tenanted> all;
    for (int i = 0; i < 2'000; ++i) all.push_back({"huge", i});
    one->write(add_all<Tenanted>, all);
    all.clear();
    for (int i = 0; i < 20; ++i) all.push_back({"small", i});
    one->write(add_all<Tenanted>, all);
    one->runner_options.running_max = 8;
    one->run();
    ASSERT_TRUE(is_done(*one));
    const auto order = runs();
    const auto last_small = std::find(order.rbegin(), order.rend(), "small");
    EXPECT_LT(order.rend() - last_small, 120) << "both get half until the small one is done";
    EXPECT_EQ(counts()["huge"], 2'000);
}

TEST_P(JobFeatures, AUniqueJobIsEnqueuedOnceUntilItHasEnded) {
    auto one = node();
    stage_.may_end = false;
    const auto first = one->write(add<Unique>, Unique{"k", "first"});
    EXPECT_EQ(one->write(add<Unique>, Unique{"k", "again"}), first);
    EXPECT_NE(one->write(add<Unique>, Unique{"l", "other key"}), first);
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 2; }));
    EXPECT_EQ(one->write(add<Unique>, Unique{"k", "while it runs"}), first);
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
    EXPECT_NE(one->write(add<Unique>, Unique{"k", "after it"}), first);
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(counts(),
              (std::map<std::string, int>{{"first", 1}, {"other key", 1}, {"after it", 1}}));
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, ADeadLetterIsPutBackOnlyWhileItsKeyIsFree) {
    auto one = node();
    stage_.failures_left = 1;
    const auto dead = one->write(add<Unique>, Unique{"k", "dead"});
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("dead").size() == 1; }));
    stage_.may_end = false;
    one->write(add<Unique>, Unique{"k", "next"});
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    EXPECT_FALSE(one->write(jobs::retry_job, dead));
    stage_.may_end = true;
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    EXPECT_TRUE(one->write(jobs::retry_job, dead));
    ASSERT_TRUE(is_done(*one));
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, AKeyIsTakenForATime) {
    auto one = node();
    one->run();
    const auto first = one->write(add<Periodic>, Periodic{"p"});
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(one->write(add<Periodic>, Periodic{"p"}), first) << "it has ended, its time has not";
    ASSERT_TRUE(wait_until([&] { return one->write(add<Periodic>, Periodic{"p"}) != first; }));
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs().size(), 2U);
}

TEST_P(JobFeatures, AJobThatHasWaitedTooLongIsDropped) {
    auto one = node();
    one->write(add<Fleeting>, Fleeting{"late"});
    const auto end = std::chrono::steady_clock::now() + milliseconds(150);
    ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > end; }));
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_TRUE(runs().empty());
    one->write(add<Fleeting>, Fleeting{"in time"});
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs(), std::vector<std::string>{"in time"});
    EXPECT_NE(one->registry.prometheus().find("loadstone_jobs_expired_total 1\n"),
              std::string::npos);
}

TEST_P(JobFeatures, AQueueOverItsBoundRejects) {
    auto one = node();
    for (int i = 0; i < 4; ++i) one->write(add<Bounded>, Bounded{i});
    ASSERT_TRUE(wait_until([&] {
        try {
            one->write(add<Bounded>, Bounded{9});
            return false;
        } catch (const loadstone::Error& error) {
            EXPECT_EQ(error.code(), loadstone::Errc::resource_exhausted);
            EXPECT_TRUE(error.retry_after());
            return true;
        }
    }));
    one->run();
    ASSERT_TRUE(is_done(*one));
    ASSERT_TRUE(wait_until([&] {
        try {
            one->write(add<Bounded>, Bounded{5});
            return true;
        } catch (const loadstone::Error&) {
            return false;
        }
    }));
}

TEST_P(JobFeatures, AQueueOverItsBoundDelays) {
    auto one = node();
    ASSERT_TRUE(wait_until([&] {
        one->write(add<Postponed>, Postponed{1});
        for (const auto& job : one->jobs_of("waiting")) {
            if (job.run_at > job.enqueued_at + std::chrono::minutes(59)) return true;
        }
        return false;
    }));
}

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
    stage_.may_end = false;
    const auto id = one->write(add<Stubborn>, Stubborn{"deaf"});
    one->run();
    ASSERT_TRUE(wait_until([&] { return runs().size() == 1; }));
    EXPECT_TRUE(one->write(jobs::cancel_job, id).was_asked);
    ASSERT_TRUE(is_done(*one)) << "the job ends without it";
    stage_.may_end = true;
    one->write(add<Stubborn>, Stubborn{"next"});
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs().size(), 2U);
    expect_nothing_left(*one);
}

TEST_P(JobFeatures, ASnoozeIsNoAttempt) {
    auto one = node();
    stage_.failures_left = 3;
    one->write(add<Snoozer>, Snoozer{"z"});
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(counts(), (std::map<std::string, int>{{"z 1", 4}}));
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

// Its process dies: what it held of limits, keys and order is as if it had never been claimed.
TEST_P(JobFeatures, WhatADeadProcessHeldIsFreeAgain) {
    auto one = node();
    const auto process = one->write(jobs::internal::register_process, std::string("dead"));
    one->write(add<Crowded>, Crowded{"a", "1"});
    one->write(add<Crowded>, Crowded{"a", "2"});
    one->write(add<Ordered>, Ordered{"x", 1});
    one->write(add<Ordered>, Ordered{"x", 2});
    const auto book = std::make_shared<const jobs::internal::LimitBook>(one->queue->limits());
    const std::string kinds = R"(["features.Crowded","features.Ordered"])";
    const std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "|crowd:a", 0, 0, kinds, 10, 20},
        {"test", "|features.Ordered:x", 0, 0, kinds, 10, 20}};
    const auto claimed = one->write(jobs::internal::claim, process, lanes, std::int64_t{20}, book);
    ASSERT_EQ(claimed.batches.size(), 1U);
    EXPECT_EQ(claimed.batches[0].jobs.size(), 3U) << "two of the crowd, one in order";
    const auto more = one->write(jobs::internal::claim, process, lanes, std::int64_t{20}, book);
    EXPECT_TRUE(more.batches.empty());
    EXPECT_TRUE(more.lanes[0].is_full);
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs().size(), 4U);
    expect_nothing_left(*one);
}

}  // namespace
}  // namespace tests::conformance
