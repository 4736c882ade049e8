// What holds up one job, schedule or process, and must hold up no other: somebody's transaction
// that stays open, what cannot be read, what has expired, a clock that was wrong.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "loadstone/jobs/internal/firing.h"
#include "loadstone/jobs/workflow.h"
#include "tests/conformance/jobs_stage.h"

namespace held_up {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;
using std::chrono::milliseconds;
using test_kinds::Crowd;
using test_kinds::note;
using test_kinds::Single;
using test_kinds::stage;
using test_kinds::Tenant;
using test_kinds::wait_for_the_end;

struct Piece {
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Piece, (), (name))
Task<void> handle_piece(Context& context, Job<Piece> job) {
    note(context, job->name);
    job.give(1);
    co_return;
}
// Stale when it has waited, and rated.
struct News {
    std::string host, text;
};
BOOST_DESCRIBE_STRUCT(News, (), (host, text))
Task<void> handle_news(Context& context, Job<News> job) {
    note(context, job->text);
    co_return;
}

void declare(loadstone::Handlers& handlers) {
    test_kinds::declare_keyed(handlers);
    handlers.handle(handle_piece).attempts(1);
    handlers.handle(handle_news)
        .limit({.name = "news", .running_max = 2, .per_second = 2, .burst = 2}, &News::host)
        .expires_after(milliseconds(1'500));
}
void declare_recurring(loadstone::Handlers& handlers) {
    declare(handlers);
    handlers.recurring("a", "* * * * *", "UTC", Single{"k", "recurring"});
    handlers.recurring("b", "* * * * *", "UTC", Tenant{"recurring too", 0});
}

}  // namespace held_up

namespace tests::conformance {
namespace {

using namespace held_up;

struct FiredAt {
    std::string name;
    std::int64_t fired_at = 0, now = 0;
};
BOOST_DESCRIBE_STRUCT(FiredAt, (), (name, fired_at, now))

Task<bool> schedules_are_known(Tx& tx) {
    static constexpr std::string_view text = "select count(*) from loadstone_schedules";
    static constexpr loadstone::store::Query query{
        .name = "held_up.schedules", .sqlite = text, .postgres = text};
    const auto count = co_await tx.one<std::int64_t>(query);
    co_return count == 2;
}
Task<bool> schedules_are_fired(Tx& tx) {
    const auto rows = co_await tx.many<FiredAt>(jobs::sql::schedules);
    co_return std::ranges::all_of(
        rows, [](const FiredAt& row) { return row.fired_at > row.now - 60'000'000; });
}

class JobsHeldUp : public StagedJobs {
protected:
    JobsHeldUp() : StagedJobs(held_up::declare) {}
};

INSTANTIATE_TEST_SUITE_P(Databases, JobsHeldUp, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// Where transactions run side by side.
class JobsHeldUpPostgres : public JobsHeldUp {};
INSTANTIATE_TEST_SUITE_P(Databases, JobsHeldUpPostgres, testing::Values(Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

Task<bool> merge_and_dawdle(Tx& tx) {
    const Single merged{"k", "merged"};
    co_await tx.enqueue(merged);
    const auto later = loadstone::Deadline::in(milliseconds(3'000));
    co_await loadstone::runtime::sleep_until(later);
    co_return true;
}
TEST_P(JobsHeldUpPostgres, ATransactionThatTakesAKeyHoldsUpNoClaimsAndNoOtherSchedule) {
    auto one = node(held_up::declare_recurring);
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->write(schedules_are_known); }));
    auto two = node();
    std::thread slow([&] { two->write(merge_and_dawdle); });
    pause(500);
    ASSERT_TRUE(one->write(schedules_lag));
    pause(1'000);
    one->enqueue("innocent");
    EXPECT_TRUE(wait_until([&] { return count("innocent") == 1; }, std::chrono::seconds(1)))
        << "nothing is claimed until that transaction ends";
    EXPECT_EQ(count("recurring too"), 1);
    EXPECT_EQ(count("merged") + count("recurring"), 0);
    slow.join();
    EXPECT_TRUE(wait_until([&] { return count("merged") == 1; }));
    EXPECT_TRUE(wait_until([&] { return one->write(schedules_are_fired); }));
}

Task<bool> enqueue_two_and_last(Tx& tx) {
    jobs::Workflow workflow;
    const auto a = workflow.add("a", Piece{"first"});
    const auto b = workflow.add("b", Piece{"second"});
    workflow.add("c", Piece{"last"}, {a, b});
    co_await jobs::enqueue(tx, workflow);
    co_return true;
}
Task<bool> hold_blocked(Tx& tx, int ms) {
    static constexpr std::string_view text = "update loadstone_blocked set total = total";
    static constexpr loadstone::store::Command command{
        .name = "held_up.hold", .sqlite = text, .postgres = text};
    co_await tx.exec(command);
    const auto later = loadstone::Deadline::in(milliseconds(ms));
    co_await loadstone::runtime::sleep_until(later);
    co_return true;
}
TEST_P(JobsHeldUpPostgres, ATransactionThatHoldsAJobThatWaitsHoldsUpNoOtherRecord) {
    auto one = node();
    one->write(enqueue_two_and_last);
    auto two = node();
    std::thread slow([&] { two->write(hold_blocked, 3'000); });
    pause(500);
    one->run();
    for (int i = 0; i < 200; ++i) one->write(add<Tenant>, Tenant{"innocent", 0});
    EXPECT_TRUE(
        wait_until([&] { return count("innocent") == 200 && one->jobs_of("running").size() == 2; },
                   std::chrono::seconds(2)))
        << "nothing of this process is recorded until that transaction ends";
    EXPECT_EQ(count("last"), 0);
    slow.join();
    EXPECT_TRUE(is_done(*one));
    EXPECT_EQ(count("last"), 1);
    EXPECT_EQ(one->read(results_left), 0);
}

Task<std::int64_t> waiting_job(Reader reader) {
    static constexpr std::string_view text = "select id from loadstone_blocked";
    static constexpr loadstone::store::Query query{
        .name = "held_up.waiting", .sqlite = text, .postgres = text};
    co_return co_await reader.one<std::int64_t>(query);
}
Task<std::int64_t> add_after(Tx& tx, std::int64_t job) {
    const Tenant last{"after it", 0};
    jobs::EnqueueOptions options;
    options.after = {job};
    co_return co_await jobs::enqueue(tx, last, options);
}
Task<bool> hold_blocked_until(Tx& tx, std::atomic<bool>* is_held, std::atomic<bool>* may_end) {
    co_await hold_blocked(tx, 0);
    *is_held = true;
    while (!*may_end) {
        const auto soon = loadstone::Deadline::in(milliseconds(10));
        co_await loadstone::runtime::sleep_until(soon);
    }
    co_return true;
}
TEST_P(JobsHeldUpPostgres, ATransactionThatHoldsAJobThatIsFollowedHoldsUpNoClaims) {
    auto one = node();
    one->write(enqueue_two_and_last);
    const auto followed = one->read(waiting_job);
    auto two = node();
    std::atomic<bool> is_held = false, may_end = false;
    std::thread slow([&] { two->write(hold_blocked_until, &is_held, &may_end); });
    EXPECT_TRUE(wait_until([&] { return is_held.load(); }));
    one->write(add_after, followed);
    one->run();
    EXPECT_TRUE(wait_until([&] { return count("second") == 1; }));
    for (int i = 1; i <= 10; ++i) {
        one->enqueue("innocent");
        EXPECT_TRUE(wait_until([&] { return count("innocent") == i; }))
            << "nothing is claimed until that transaction ends";
    }
    EXPECT_EQ(count("after it"), 0);
    may_end = true;
    slow.join();
    EXPECT_TRUE(is_done(*one));
    EXPECT_EQ(diary_.all().back(), "after it");
}

Task<bool> make_unreadable(Tx& tx) {
    static constexpr std::string_view text = "update loadstone_ready set extra = '{\"holds\":7}'";
    static constexpr loadstone::store::Command command{
        .name = "held_up.unreadable", .sqlite = text, .postgres = text};
    co_await tx.exec(command);
    co_return true;
}
TEST_P(JobsHeldUp, ALimitedJobThatCannotBeReadIsBuriedAndHoldsUpNoOther) {
    auto one = node();
    const auto broken = one->write(add<Crowd>, Crowd{"a", "broken"});
    one->write(make_unreadable);
    one->write(add<Crowd>, Crowd{"a", "behind it"});
    one->enqueue("innocent");
    EXPECT_NE(one->why(broken), "");
    one->run();
    EXPECT_TRUE(wait_until([&] { return one->jobs_of("dead").size() == 1; }));
    EXPECT_TRUE(wait_until([&] { return one->jobs_of("").size() == 1; }));
    EXPECT_EQ(count("innocent") + count("behind it"), 2);
    EXPECT_EQ(count("broken"), 0);
    EXPECT_EQ(one->read(places_taken), 0);
}

TEST_P(JobsHeldUp, AJobThatCannotBeReadIsBuriedWhenItsProcessHasDied) {
    auto one = node();
    one->write(add<Crowd>, Crowd{"a", "broken"});
    one->write(make_unreadable);
    const std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "|crowd:a", 0, 0, R"(["test_kinds.Crowd"])", 10, 20}};
    const auto book = std::make_shared<const jobs::internal::LimitBook>(one->queue->limits());
    const auto dying = one->write(jobs::internal::register_process, std::string("dying"));
    const auto claimed =
        one->write(jobs::internal::claim, dying, lanes_of(lanes), std::int64_t{20}, book, no_loans);
    ASSERT_EQ(claimed.batches.at(0).jobs.size(), 1U);
    one->write(remove_process_in, dying);
    one->write(jobs::internal::rescue, std::int64_t{3'600'000'000}, 3);
    EXPECT_EQ(one->jobs_of("dead").size(), 1U);
    EXPECT_EQ(one->read(places_taken), 0);
}

TEST_P(JobsHeldUp, WhatHasExpiredTakesNothingOfItsLimits) {
    auto one = node();
    one->write(add_all<News>, std::vector<News>(50, News{"a", "stale"}));
    pause(1'700);
    one->write(add<News>, News{"a", "fresh"});
    one->run();
    EXPECT_TRUE(wait_until([&] { return count("fresh") == 1; }, std::chrono::seconds(5)))
        << "the stale ones spend what the fresh one needs";
    EXPECT_TRUE(is_done(*one));
    EXPECT_EQ(count("stale"), 0);
    EXPECT_EQ(one->read(places_taken), 0);
}

Task<bool> add_schedules_in(Tx& tx, std::vector<jobs::Recurring> all) {
    co_await jobs::internal::add_schedules(tx, all);
    co_return true;
}
Task<std::int64_t> firings_missed(Tx& tx) {
    const auto rows = co_await tx.many<FiredAt>(jobs::sql::schedules);
    const FiredAt& row = rows.front();
    co_return (row.now - row.fired_at) / 60'000'000;
}
Task<bool> forget_expressions(Tx& tx) {
    static constexpr std::string_view text = "update loadstone_schedules set expression = ''";
    static constexpr loadstone::store::Command query{
        .name = "held_up.expressions", .sqlite = text, .postgres = text};
    co_await tx.exec(query);
    co_return true;
}
TEST_P(JobsHeldUp, AScheduleWithAnotherExpressionBeginsAnew) {
    auto one = node(held_up::declare_recurring);
    auto all = one->queue->recurring();
    one->write(add_schedules_in, all);
    one->write(schedules_lag);
    one->write(add_schedules_in, all);
    EXPECT_EQ(one->write(firings_missed), 2) << "of the same it goes on";
    one->write(forget_expressions);
    one->write(add_schedules_in, all);
    EXPECT_EQ(one->write(firings_missed), 2) << "of a release before it goes on";
    for (jobs::Recurring& each : all)
        each.schedule = loadstone::value_or_throw(jobs::Schedule::parse("*/2 * * * *", "UTC"));
    one->write(add_schedules_in, all);
    EXPECT_EQ(one->write(firings_missed), 0);
}

Task<bool> schedules_are_ahead(Tx& tx, std::int64_t us) {
    static constexpr std::string_view text =
        "update loadstone_schedules set fired_at = fired_at + $1";
    static constexpr loadstone::store::Command query{
        .name = "held_up.ahead", .sqlite = text, .postgres = text, .parameters = 1};
    co_return co_await tx.exec(query, us) == 2;
}
Task<bool> none_is_ahead(Tx& tx) {
    const auto rows = co_await tx.many<FiredAt>(jobs::sql::schedules);
    co_return std::ranges::all_of(rows, [](const FiredAt& row) { return row.fired_at <= row.now; });
}
TEST_P(JobsHeldUp, AScheduleThatHasFiredByAClockThatWasAheadGoesOn) {
    auto one = node(held_up::declare_recurring);
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->write(schedules_are_known); }));
    const std::int64_t two_years = 800LL * 24 * 3'600 * 1'000'000;
    ASSERT_TRUE(one->write(schedules_are_ahead, two_years));
    EXPECT_TRUE(wait_until([&] { return one->write(none_is_ahead); }));
    ASSERT_TRUE(one->write(schedules_lag));
    EXPECT_TRUE(wait_until([&] { return count("recurring") >= 1; }));
}

Task<bool> heartbeats_are_ahead(Tx& tx, std::int64_t us) {
    static constexpr std::string_view text =
        "update loadstone_processes set heartbeat_at = heartbeat_at + $1";
    static constexpr loadstone::store::Command query{
        .name = "held_up.heartbeats", .sqlite = text, .postgres = text, .parameters = 1};
    co_return co_await tx.exec(query, us) == 1;
}
TEST_P(JobsHeldUp, AProcessThatDiedByAClockThatWasAheadIsRescuedInTime) {
    auto one = node();
    one->write(add<Tenant>, Tenant{"a", 0});
    const auto dying = one->write(jobs::internal::register_process, std::string("dying"));
    const std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "a", 0, 0, R"(["test_kinds.Tenant"])", 10, 20}};
    const auto claimed = one->write(jobs::internal::claim, dying, lanes_of(lanes), std::int64_t{20},
                                    no_limits, no_loans);
    ASSERT_EQ(claimed.batches.at(0).jobs.size(), 1U);
    ASSERT_TRUE(one->write(heartbeats_are_ahead, std::int64_t{40'000'000}));
    one->run();
    EXPECT_TRUE(wait_until([&] { return count("a") == 1; }, std::chrono::seconds(5)));
}

}  // namespace
}  // namespace tests::conformance
