#include "loadstone/admission/bulkhead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::admission {
namespace {

using runtime::Event;
using runtime::Loops;
using runtime::LoopsOptions;
using runtime::Services;
using runtime::TaskScope;
using runtime::testing::patience;
using runtime::testing::run_blocking;
using runtime::testing::wait_until;
using std::chrono::milliseconds;

struct BulkheadTest : ::testing::Test {
    telemetry::Registry registry;
    Services services;
    Loops loops{LoopsOptions{3, milliseconds(1000)}, registry};

    void SetUp() override { loops.start(); }

    static BulkheadOptions options(std::size_t concurrency_max, std::size_t queue_max,
                                   milliseconds queue_wait_max) {
        BulkheadOptions made;
        made.name = "courses";
        made.concurrency_max = concurrency_max;
        made.queue_max = queue_max;
        made.queue_wait_max = queue_wait_max;
        return made;
    }
    std::uint64_t counted(const char* name) {
        return registry.counter(name, telemetry::metric_label("module", "courses"), "").value();
    }
    bool shown(const char* line) { return registry.prometheus().find(line) != std::string::npos; }
};

// Enters, and stays inside until `leave` is set.
Task<void> stay(Bulkhead& bulkhead, Context& context, Event& leave, std::optional<Error>* error) {
    try {
        const Permit permit = co_await bulkhead.enter(context);
        co_await leave.wait(Deadline::unbounded());
    } catch (const Error& caught) {
        *error = caught;
    }
}

TEST_F(BulkheadTest, LetsInUpToItsConcurrency) {
    Bulkhead bulkhead(options(2, 0, milliseconds(100)), registry);
    std::optional<Permit> first = bulkhead.try_enter();
    std::optional<Permit> second = bulkhead.try_enter();
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(bulkhead.try_enter());
    EXPECT_EQ(bulkhead.in_use(), 2U);
    EXPECT_TRUE(shown("loadstone_bulkhead_in_use{module=\"courses\"} 2"));
    first->release();
    first->release();
    EXPECT_EQ(bulkhead.in_use(), 1U);
    first = std::move(second);
    EXPECT_EQ(bulkhead.in_use(), 1U);
    first.reset();
    second.reset();
    EXPECT_EQ(bulkhead.in_use(), 0U);
    EXPECT_EQ(counted("loadstone_bulkhead_admitted_total"), 2U);
}

TEST_F(BulkheadTest, RejectsWhenTheQueueIsFullAndNamesLimitAndActual) {
    Bulkhead bulkhead(options(1, 1, milliseconds(30'000)), registry);
    Context waiting(services, Deadline::unbounded()), rejected(services, Deadline::unbounded());
    Event leave;
    std::optional<Error> none, error;
    TaskScope scope("test");
    std::optional<Permit> inside = bulkhead.try_enter();
    scope.spawn(loops.executor(0), stay(bulkhead, waiting, leave, &none));
    ASSERT_TRUE(wait_until([&] { return bulkhead.queued() == 1; }));
    EXPECT_TRUE(shown("loadstone_bulkhead_queued{module=\"courses\"} 1"));
    run_blocking(loops.executor(1), stay(bulkhead, rejected, leave, &error));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::unavailable);
    EXPECT_EQ(error->retry_after(), milliseconds(30'000));
    EXPECT_EQ(error->message(), "bulkhead courses is full: 1 of 1 running, 1 of 1 waiting");
    EXPECT_EQ(counted("loadstone_bulkhead_rejected_total"), 1U);
    EXPECT_EQ(counted("loadstone_bulkhead_queued_total"), 0U) << "counted when the wait is over";
    inside.reset();
    leave.set();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(patience)));
    EXPECT_EQ(none, std::nullopt);
    EXPECT_EQ(bulkhead.in_use(), 0U);
    EXPECT_EQ(counted("loadstone_bulkhead_queued_total"), 1U);
    EXPECT_EQ(counted("loadstone_bulkhead_admitted_total"), 2U);
}

TEST_F(BulkheadTest, TurnsAwayWhoWaitedTooLongAndAccountsTheWait) {
    Bulkhead bulkhead(options(1, 4, milliseconds(3)), registry);
    Context context(services, Deadline::unbounded());
    Event leave;
    std::optional<Error> error;
    const std::optional<Permit> inside = bulkhead.try_enter();
    run_blocking(loops.executor(0), stay(bulkhead, context, leave, &error));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::unavailable);
    EXPECT_TRUE(error->retry_after().has_value());
    EXPECT_EQ(error->message(),
              "bulkhead courses had no place within 3 ms: 1 of 1 running, 0 of 4 waiting");
    const auto waits = context.span().wait_ns;
    EXPECT_GE(waits[static_cast<std::size_t>(telemetry::WaitKind::admission)], 2'900'000U);
    EXPECT_EQ(counted("loadstone_bulkhead_timed_out_total"), 1U);
    EXPECT_EQ(bulkhead.queued(), 0U);
}

TEST_F(BulkheadTest, EndsTheWaitAtTheContextsOwnDeadline) {
    Bulkhead bulkhead(options(1, 4, milliseconds(30'000)), registry);
    Context context(services, Deadline::in(milliseconds(2)));
    Event leave;
    std::optional<Error> error;
    const std::optional<Permit> inside = bulkhead.try_enter();
    run_blocking(loops.executor(0), stay(bulkhead, context, leave, &error));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::deadline_exceeded);
}

TEST_F(BulkheadTest, GivesAPlaceThatCameTooLateForItsContextToTheNext) {
    Bulkhead bulkhead(options(1, 4, milliseconds(30'000)), registry);
    Context late(services, Deadline::unbounded());
    Event leave;
    std::optional<Error> error;
    TaskScope scope("test");
    std::optional<Permit> inside = bulkhead.try_enter();
    scope.spawn(loops.executor(0), stay(bulkhead, late, leave, &error));
    ASSERT_TRUE(wait_until([&] { return bulkhead.queued() == 1; }));
    // Tightened on its own loop, after the wait had begun.
    std::atomic<bool> tightened{false};
    loops.post(0, [&] {
        late.tighten(Deadline(Deadline::Clock::now()));
        tightened = true;
    });
    ASSERT_TRUE(wait_until([&] { return tightened.load(); }));
    inside.reset();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(patience)));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::deadline_exceeded);
    EXPECT_EQ(counted("loadstone_bulkhead_timed_out_total"), 1U);
    EXPECT_EQ(bulkhead.in_use(), 0U);
}

TEST_F(BulkheadTest, GivesThePlaceOfACancelledContextToTheNext) {
    Bulkhead bulkhead(options(1, 4, milliseconds(30'000)), registry);
    Context cancelled(services, Deadline::unbounded()), next(services, Deadline::unbounded());
    Event leave;
    std::optional<Error> error, none;
    TaskScope scope("test");
    std::optional<Permit> inside = bulkhead.try_enter();
    scope.spawn(loops.executor(0), stay(bulkhead, cancelled, leave, &error));
    ASSERT_TRUE(wait_until([&] { return bulkhead.queued() == 1; }));
    scope.spawn(loops.executor(1), stay(bulkhead, next, leave, &none));
    ASSERT_TRUE(wait_until([&] { return bulkhead.queued() == 2; }));
    cancelled.cancel();
    inside.reset();
    ASSERT_TRUE(wait_until([&] { return bulkhead.queued() == 0 && scope.running() == 1; }));
    EXPECT_EQ(bulkhead.in_use(), 1U);
    leave.set();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(patience)));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::cancelled);
    EXPECT_EQ(none, std::nullopt);
    EXPECT_EQ(bulkhead.in_use(), 0U);
}

TEST_F(BulkheadTest, GetsThePermitsOfTasksBackThatAStoppedLoopAbandons) {
    Bulkhead bulkhead(options(2, 8, milliseconds(30'000)), registry);
    std::vector<std::unique_ptr<Context>> contexts;
    Event never;
    std::optional<Error> none;
    TaskScope scope("test");
    for (int i = 0; i < 6; ++i) {
        contexts.push_back(std::make_unique<Context>(services, Deadline::unbounded()));
        scope.spawn(loops.executor(i % 3), stay(bulkhead, *contexts.back(), never, &none));
    }
    ASSERT_TRUE(wait_until([&] { return bulkhead.in_use() == 2 && bulkhead.queued() == 4; }));
    loops.stop();
    EXPECT_EQ(bulkhead.in_use(), 0U);
    EXPECT_EQ(bulkhead.queued(), 0U);
}

struct Crowd {
    std::atomic<int> inside{0}, most{0};
    std::atomic<std::uint64_t> admitted{0}, refused{0};
};

Task<void> visit(Bulkhead& bulkhead, const Services& services, Crowd& crowd, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        Context context(services, Deadline::in(milliseconds(50)));
        bool refused = false;
        try {
            const Permit permit = co_await bulkhead.enter(context);
            const int now = ++crowd.inside;
            int most = crowd.most;
            while (now > most && !crowd.most.compare_exchange_weak(most, now)) {
            }
            co_await runtime::sleep_until(Deadline::in(std::chrono::microseconds(i % 20)));
            --crowd.inside;
            ++crowd.admitted;
        } catch (const Error&) {
            refused = true;
        }
        if (!refused) continue;
        ++crowd.refused;
        co_await runtime::sleep_until(Deadline::in(std::chrono::microseconds(50)));
    }
}

TEST_F(BulkheadTest, HoldsItsLimitAndLosesNothingUnderRaces) {
    Bulkhead bulkhead(options(3, 5, milliseconds(1)), registry);
    Crowd crowd;
    TaskScope scope("crowd");
    for (int i = 0; i < 15; ++i) {
        scope.spawn(loops.executor(i % 3), visit(bulkhead, services, crowd, 1000));
    }
    ASSERT_TRUE(scope.join_blocking(Deadline::in(patience)));
    EXPECT_LE(crowd.most, 3);
    EXPECT_EQ(crowd.admitted + crowd.refused, 15'000U);
    EXPECT_EQ(counted("loadstone_bulkhead_admitted_total"), crowd.admitted);
    EXPECT_EQ(counted("loadstone_bulkhead_rejected_total") +
                  counted("loadstone_bulkhead_timed_out_total"),
              crowd.refused);
    EXPECT_EQ(bulkhead.in_use(), 0U);
    EXPECT_EQ(bulkhead.queued(), 0U);
}

}  // namespace
}  // namespace loadstone::admission
