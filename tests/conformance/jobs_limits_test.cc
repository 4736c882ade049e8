// How many jobs run, how often, in which order and which at all, on every database: limits, order,
// tenants, uniqueness, expiry, bounds.

#include "loadstone/jobs/overview.h"
#include "tests/conformance/jobs_features.h"

namespace tests::conformance {
namespace {

using namespace features;

class JobLimits : public JobFeatures {};

Task<bool> change_limit(Tx& tx, jobs::LimitChange change) {
    co_await jobs::set_limit(tx, change);
    co_return true;
}

Task<bool> change_some(Tx& tx, jobs::LimitChange change) {
    co_await jobs::change_limit(tx, change);
    co_return true;
}

Task<jobs::LimitsOverview> overview(Reader reader) {
    co_return co_await jobs::limits_overview(reader, 5);
}

Task<jobs::JobDetails> details_of_a_running_one(Reader reader) {
    jobs::JobFilter filter;
    filter.state = "running";
    const auto running = co_await jobs::list_jobs(reader, filter);
    co_return co_await jobs::job_details(reader, running.at(0));
}

jobs::LimitOverview limit_called(Node& node, const std::string& name) {
    for (const jobs::LimitOverview& limit : node.read(overview).limits) {
        if (limit.name == name) return limit;
    }
    return {};
}

INSTANTIATE_TEST_SUITE_P(Databases, JobLimits, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

TEST_P(JobLimits, OfOneKeySoManyRunAtOnceInAllProcesses) {
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

TEST_P(JobLimits, ALimitIsChangedWhileJobsRun) {
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

TEST_P(JobLimits, WhyAndTheOverviewGoByWhatIsSet) {
    auto one = node();
    stage_.may_end = false;
    one->run();
    jobs::LimitChange change;
    change.name = "crowd";
    change.running_max = 3;
    one->write(change_limit, change);
    std::vector<Crowded> all;
    for (int i = 0; i < 5; ++i) all.push_back({"a", std::to_string(i)});
    one->write(add_all<Crowded>, all);
    ASSERT_TRUE(wait_until([&] { return stage_.running == 3; }));
    EXPECT_EQ(one->why(one->jobs_of("waiting")[0].id),
              "limit crowd:a has all of its 3 places taken");
    const auto crowd = limit_called(*one, "crowd");
    EXPECT_EQ(crowd.declared.running_max, 2);
    EXPECT_EQ(crowd.now.running_max, 3);
    ASSERT_EQ(crowd.busiest.size(), 1U);
    EXPECT_EQ(crowd.busiest[0].key, "a");
    EXPECT_EQ(crowd.busiest[0].running, 3);
    const auto details = one->read(details_of_a_running_one);
    EXPECT_EQ(details.holds, std::vector<std::string>{"crowd:a"});
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
}

TEST_P(JobLimits, WhatIsSetDoesNotBreakAnOrder) {
    auto one = node();
    jobs::LimitChange change;
    change.name = "features.Ordered";
    change.running_max = 8;
    one->write(change_limit, change);
    EXPECT_EQ(limit_called(*one, "features.Ordered").now.running_max, 1);
}

TEST_P(JobLimits, OfALimitOnlyWhatIsGivenChanges) {
    auto one = node();
    jobs::LimitChange change;
    change.name = "host";
    change.per_second = 7;
    one->write(change_some, change);
    change.per_second = -1;
    change.burst = 9;
    one->write(change_some, change);
    const auto host = limit_called(*one, "host");
    EXPECT_EQ(host.now.per_second, 7);
    EXPECT_EQ(host.now.burst, 9);
    EXPECT_EQ(host.now.running_max, 0);
}

TEST_P(JobLimits, AWeightCountsForATenantOfAnyName) {
    auto one = node();
    jobs::LimitChange change;
    change.name = "tenant:50% |x";
    change.weight = 9;
    one->write(change_limit, change);
    std::vector<Tenanted> all;
    for (int i = 0; i < 300; ++i) {
        all.push_back({"50% |x", i});
        all.push_back({"plain", i});
    }
    one->write(add_all<Tenanted>, all);
    one->runner_options.running_max = 8;
    one->run();
    ASSERT_TRUE(is_done(*one));
    const auto order = runs();
    const auto early = std::count(order.begin(), order.begin() + 200, "50% |x");
    EXPECT_GT(early, 150) << "nine of ten";
}

TEST_P(JobLimits, AThrottleHoldsInAllProcesses) {
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

TEST_P(JobLimits, JobsOfOneKeyRunInOrderAlsoWhenOneFails) {
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

TEST_P(JobLimits, ATenantWithAHugeBacklogHoldsUpNoOther) {
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

TEST_P(JobLimits, AUniqueJobIsEnqueuedOnceUntilItHasEnded) {
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

TEST_P(JobLimits, ADeadLetterIsPutBackOnlyWhileItsKeyIsFree) {
    auto one = node();
    stage_.failures_left = 1;
    const auto dead = one->write(add<Unique>, Unique{"k", "dead"});
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("dead").size() == 1; }));
    stage_.may_end = false;
    one->write(add<Unique>, Unique{"k", "next"});
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    EXPECT_FALSE(one->write(jobs::retry_job, dead));
    EXPECT_TRUE(one->why_not_retried(dead).starts_with(
        "its unique key, features.Unique|k, is taken by job "))
        << one->why_not_retried(dead);
    const jobs::DeadFilter all;
    const auto redriven = one->write(jobs::redrive, all, std::int64_t{0}, std::int64_t{10});
    EXPECT_EQ(redriven.jobs, 0);
    EXPECT_EQ(redriven.left, 1);
    stage_.may_end = true;
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    EXPECT_TRUE(one->write(jobs::retry_job, dead));
    ASSERT_TRUE(is_done(*one));
    expect_nothing_left(*one);
}

TEST_P(JobLimits, AKeyIsTakenForATime) {
    auto one = node();
    one->run();
    const auto first = one->write(add<Periodic>, Periodic{"p"});
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(one->write(add<Periodic>, Periodic{"p"}), first) << "it has ended, its time has not";
    ASSERT_TRUE(wait_until([&] { return one->write(add<Periodic>, Periodic{"p"}) != first; }));
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs().size(), 2U);
}

TEST_P(JobLimits, AJobThatHasWaitedTooLongIsDropped) {
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

TEST_P(JobLimits, AQueueOverItsBoundRejects) {
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

TEST_P(JobLimits, AQueueOverItsBoundDelays) {
    auto one = node();
    ASSERT_TRUE(wait_until([&] {
        one->write(add<Postponed>, Postponed{1});
        for (const auto& job : one->jobs_of("waiting")) {
            if (job.run_at > job.enqueued_at + std::chrono::minutes(59)) return true;
        }
        return false;
    }));
}

// Its process dies: what it held of limits, keys and order is as if it had never been claimed.
TEST_P(JobLimits, WhatADeadProcessHeldIsFreeAgain) {
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
    const auto claimed = one->write(jobs::internal::claim, process, lanes_of(lanes),
                                    std::int64_t{20}, book, no_loans);
    ASSERT_EQ(claimed.batches.size(), 1U);
    EXPECT_EQ(claimed.batches[0].jobs.size(), 3U) << "two of the crowd, one in order";
    const auto more = one->write(jobs::internal::claim, process, lanes_of(lanes), std::int64_t{20},
                                 book, no_loans);
    EXPECT_TRUE(more.batches.empty());
    EXPECT_TRUE(more.lanes[0].is_full);
    one->run();
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(runs().size(), 4U);
    expect_nothing_left(*one);
}

// Of a batch of two that hold places of one limit, as a process has run them.
std::vector<jobs::internal::Finished> runs_of_two(Node& node, std::int64_t process) {
    node.write(add<Crowded>, Crowded{"a", "1"});
    node.write(add<Crowded>, Crowded{"a", "2"});
    const auto book = std::make_shared<const jobs::internal::LimitBook>(node.queue->limits());
    const auto lanes = lanes_of({{"test", "|crowd:a", 0, 0, R"(["features.Crowded"])", 10, 20}});
    const auto claimed =
        node.write(jobs::internal::claim, process, lanes, std::int64_t{20}, book, no_loans);
    std::vector<jobs::internal::Finished> runs;
    jobs::internal::ExtraReader extras;
    for (const auto& job : claimed.batches.at(0).jobs) {
        jobs::internal::Finished& run = runs.emplace_back();
        run.job = jobs::internal::held_job(job, extras);
        run.lease = {job.id, process, claimed.batches[0].id()};
        run.done = true;
    }
    return runs;
}

jobs::internal::Recorded record(Node& node, const std::vector<jobs::internal::Finished>& runs) {
    const jobs::internal::FinishedRuns shared =
        std::make_shared<const std::vector<jobs::internal::Finished>>(runs);
    return node.write(jobs::internal::record, runs.at(0).lease.process, shared);
}

// The answer to the record of a part was lost, and it is made again with the rest.
TEST_P(JobLimits, ARecordThatIsMadeAgainGivesPlacesBackOnce) {
    auto one = node();
    const auto process = one->write(jobs::internal::register_process, std::string("slow"));
    auto runs = runs_of_two(*one, process);
    ASSERT_EQ(runs.size(), 2U);
    EXPECT_EQ(one->read(places_taken), 2);
    record(*one, {runs[0]});
    EXPECT_EQ(one->read(places_taken), 1);
    runs[0].may_be_recorded = true;
    runs[1].ends_batch = true;
    EXPECT_EQ(record(*one, runs).lost_of(runs), 0U);
    EXPECT_EQ(one->read(places_taken), 0);
    expect_nothing_left(*one);
}

TEST_P(JobLimits, ABatchThatIsLostGivesNothingBack) {
    auto one = node();
    const auto process = one->write(jobs::internal::register_process, std::string("lost"));
    const auto other = one->write(jobs::internal::register_process, std::string("other"));
    auto runs = runs_of_two(*one, process);
    ASSERT_EQ(runs.size(), 2U);
    runs[1].ends_batch = true;
    ASSERT_EQ(one->write(jobs::internal::hand_back, process, std::string("[]")), 2);
    EXPECT_EQ(one->read(places_taken), 0);
    const auto again = runs_of_two(*one, other);
    EXPECT_EQ(again.size(), 2U);
    const auto recorded = record(*one, runs);
    EXPECT_EQ(recorded.lost_of(runs), 2U);
    EXPECT_EQ(one->read(places_taken), 2) << "of the other process";
}

TEST_P(JobLimits, AWholeBatchGivesItsPlacesBack) {
    auto one = node();
    const auto process = one->write(jobs::internal::register_process, std::string("quick"));
    auto runs = runs_of_two(*one, process);
    ASSERT_EQ(runs.size(), 2U);
    runs[1].ends_batch = true;
    const auto recorded = record(*one, runs);
    EXPECT_EQ(recorded.lost_of(runs), 0U);
    const auto freed = jobs::internal::freed_by(recorded.released, one->queue->limits());
    EXPECT_EQ(freed, (std::vector<std::string>{"crowd:a"})) << "all of its places were taken";
    EXPECT_EQ(one->read(places_taken), 0);
    expect_nothing_left(*one);
}

// The rows of new limits are made while it claims; what it has read until then is not lost.
TEST_P(JobLimits, APlaceThatWasGivenBackIsFreeBesideANewKey) {
    auto one = node();
    const auto process = one->write(jobs::internal::register_process, std::string("one"));
    const auto runs = runs_of_two(*one, process);
    ASSERT_EQ(runs.size(), 2U);
    record(*one, {runs[0]});
    one->write(add<Crowded>, Crowded{"a", "3"});
    one->write(add<Crowded>, Crowded{"b", "1"});
    const auto book = std::make_shared<const jobs::internal::LimitBook>(one->queue->limits());
    const std::string kinds = R"(["features.Crowded"])";
    const auto lanes = lanes_of(
        {{"test", "|crowd:a", 0, 0, kinds, 10, 20}, {"test", "|crowd:b", 0, 0, kinds, 10, 20}});
    const auto claimed =
        one->write(jobs::internal::claim, process, lanes, std::int64_t{20}, book, no_loans);
    ASSERT_EQ(claimed.batches.size(), 1U);
    EXPECT_EQ(claimed.batches[0].jobs.size(), 2U);
    EXPECT_EQ(one->read(places_taken), 3);
}

}  // namespace
}  // namespace tests::conformance
