// Schedules that several processes know: each firing is enqueued once, as the schedule's policy
// says.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>

#include "loadstone/jobs/internal/firing.h"
#include "tests/conformance/jobs_stage.h"

namespace recurring {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;

struct Fired {
    std::string schedule;
};
BOOST_DESCRIBE_STRUCT(Fired, (), (schedule))
Task<void> handle_fired(Context&, Job<Fired>) { co_return; }

constexpr int of_each_policy = 12;
constexpr std::array<std::pair<const char*, jobs::MissedFire>, 3> policies{
    {{"skip", jobs::MissedFire::skip},
     {"once", jobs::MissedFire::once},
     {"all", jobs::MissedFire::all}}};

void declare(loadstone::Handlers& handlers) {
    handlers.handle(handle_fired);
    for (const auto& [policy, missed] : policies) {
        for (int i = 0; i < of_each_policy; ++i) {
            const std::string name = std::string(policy) + "_" + std::to_string(i);
            handlers.recurring(name, "* * * * *", "UTC", Fired{name}, missed);
        }
    }
}

}  // namespace recurring

namespace tests::conformance {
namespace {

using namespace recurring;

constexpr std::int64_t minute_us = 60'000'000;
constexpr std::int64_t missed = 5;  // minutes

struct ScheduleRow {
    std::string name;
    std::int64_t fired_at = 0, now = 0;
};
BOOST_DESCRIBE_STRUCT(ScheduleRow, (), (name, fired_at, now))
Task<std::vector<ScheduleRow>> schedules_in(Reader reader) {
    co_return co_await reader.many<ScheduleRow>(jobs::sql::schedules);
}

struct Enqueued {
    std::string arguments;
    std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Enqueued, (), (arguments, count))
Task<std::vector<Enqueued>> enqueued_in(Reader reader) {
    static constexpr std::string_view text =
        "select arguments, count(*) as count from loadstone_ready group by arguments";
    static constexpr loadstone::store::Query query{
        .name = "recurring.enqueued", .sqlite = text, .postgres = text};
    co_return co_await reader.many<Enqueued>(query);
}

// What is enqueued stays where it can be counted.
Task<bool> pause_in(Tx& tx) {
    const std::string queue = "test";
    co_await jobs::pause_queue(tx, queue, true);
    co_return true;
}
Task<bool> add_schedules_in(Tx& tx, std::vector<jobs::Recurring> all) {
    co_await jobs::internal::add_schedules(tx, all);
    co_return true;
}
Task<bool> fired_last_at(Tx& tx, std::int64_t us) {
    static constexpr std::string_view text = "update loadstone_schedules set fired_at = $1";
    static constexpr loadstone::store::Command query{
        .name = "recurring.fired_last_at", .sqlite = text, .postgres = text, .parameters = 1};
    co_return co_await tx.exec(query, us) == policies.size() * of_each_policy;
}

Task<bool> fire_and_dawdle(Tx& tx, jobs::Recurring each, std::atomic<bool>* has_fired) {
    co_await jobs::internal::fire(tx, each);
    *has_fired = true;
    const auto later = Deadline::in(milliseconds(150));
    co_await loadstone::runtime::sleep_until(later);
    co_return true;
}

class JobsRecurring : public StagedJobs {
protected:
    JobsRecurring() : StagedJobs(recurring::declare) {
        for (int i = 0; i < 3; ++i) nodes_.push_back(node());
        one().write(pause_in);
        one().write(add_schedules_in, one().queue->recurring());
        began_ = one().read(schedules_in).front().now / minute_us;
        EXPECT_TRUE(one().write(fired_last_at, (began_ - missed) * minute_us));
    }
    Node& one() { return *nodes_.front(); }
    bool all_have_fired() {
        return std::ranges::all_of(one().read(schedules_in), [&](const ScheduleRow& row) {
            return row.fired_at >= began_ * minute_us;
        });
    }
    void stop() {
        for (auto& each : nodes_) {
            if (each->runner) EXPECT_TRUE(each->runner->stop(Deadline::in(milliseconds(5'000))));
            each->runner.reset();
        }
    }
    // Of so many schedules that have fired.
    void expect_each_firing_once(std::size_t schedules) {
        std::map<std::string, std::int64_t> counts;
        for (const Enqueued& each : one().read(enqueued_in)) {
            auto fired = loadstone::from_json<Fired>(each.arguments);
            counts[loadstone::value_or_throw(std::move(fired)).schedule] = each.count;
        }
        std::size_t looked_at = 0;
        for (const ScheduleRow& row : one().read(schedules_in)) {
            if (row.fired_at < began_ * minute_us) continue;  // nobody has looked at it
            ++looked_at;
            const std::string name = row.name.substr(row.name.find('.') + 1);
            const std::int64_t count = counts[name];
            // The minutes that have begun since fire each, whatever the policy. One that has begun
            // before the schedule was looked at is the one that fires for those missed.
            const std::int64_t begun_since = row.fired_at / minute_us - began_;
            if (name.starts_with("all")) {
                EXPECT_EQ(count, missed + begun_since) << name;
            } else {
                EXPECT_GE(count, 1) << name;
                EXPECT_LE(count, 1 + begun_since) << name;
            }
        }
        EXPECT_EQ(looked_at, schedules);
    }

    std::vector<std::unique_ptr<Node>> nodes_;

private:
    std::int64_t began_ = 0;  // the minute
};

INSTANTIATE_TEST_SUITE_P(Databases, JobsRecurring,
                         testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// Where transactions run side by side.
class JobsRecurringPostgres : public JobsRecurring {};
INSTANTIATE_TEST_SUITE_P(Databases, JobsRecurringPostgres, testing::Values(Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// They begin to look together, and find all of them due: who is behind catches up with who fires.
TEST_P(JobsRecurring, EachFiringIsEnqueuedOnceByAllProcessesTogether) {
    for (auto& each : nodes_) each->run();
    EXPECT_TRUE(wait_until([&] { return all_have_fired(); }));
    stop();
    expect_each_firing_once(policies.size() * of_each_policy);
}

TEST_P(JobsRecurringPostgres, WhatOneIsFiringNoOtherFires) {
    const std::vector<jobs::Recurring>& all = one().queue->recurring();
    for (std::size_t i = 0; i < all.size(); i += of_each_policy) {
        std::atomic<bool> has_fired{false};
        std::thread slow([&] { one().write(fire_and_dawdle, all[i], &has_fired); });
        EXPECT_TRUE(wait_until([&] { return has_fired.load(); }));
        nodes_[1]->write(jobs::internal::fire, all[i]);
        slow.join();
        nodes_[2]->write(jobs::internal::fire, all[i]);
    }
    expect_each_firing_once(policies.size());
}

}  // namespace
}  // namespace tests::conformance
