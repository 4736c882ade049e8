#include "loadstone/runtime/semaphore.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "loadstone/base/random.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::runtime {
namespace {

namespace asio = boost::asio;

const Deadline never = Deadline::unbounded();
const Deadline past = Deadline(Deadline::Clock::now() - std::chrono::seconds(1));

Task<void> acquire_into(Semaphore& semaphore, Deadline deadline, std::optional<Acquired>* result) {
    *result = co_await semaphore.acquire(deadline);
}

Task<void> acquire_in_order(Semaphore& semaphore, int number, std::vector<int>* order) {
    const Acquired acquired = co_await semaphore.acquire(never);
    if (acquired == Acquired::yes) order->push_back(number);
}

// A loop that runs only when told to, so that every interleaving of a grant is one the test chose.
struct ManualLoop {
    asio::io_context io;

    void spawn(Task<void> task) { asio::co_spawn(io, std::move(task), asio::detached); }
    void run_ready() {
        io.restart();
        io.poll();
    }
};

TEST(Semaphore, GivesAsManyPermitsAsItHas) {
    Semaphore semaphore(2, 0);
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_FALSE(semaphore.try_acquire());
    EXPECT_EQ(semaphore.in_use(), 2U);
    semaphore.release();
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_EQ(semaphore.permits(), 2U);
}

TEST(Semaphore, RejectsWhenTheQueueIsFull) {
    for (const std::size_t waiters_max : {0U, 1U, 3U}) {
        Semaphore semaphore(1, waiters_max);
        ManualLoop loop;
        ASSERT_TRUE(semaphore.try_acquire());
        std::vector<std::optional<Acquired>> results(waiters_max + 1);
        for (auto& result : results) loop.spawn(acquire_into(semaphore, never, &result));
        loop.run_ready();
        EXPECT_EQ(semaphore.waiting(), waiters_max);
        EXPECT_EQ(results.back(), Acquired::queue_full);
        for (std::size_t i = 0; i < waiters_max; ++i) EXPECT_EQ(results[i], std::nullopt);
    }
}

TEST(Semaphore, ServesWaitersInTheOrderInWhichTheyCame) {
    Semaphore semaphore(1, 10);
    ManualLoop loop;
    ASSERT_TRUE(semaphore.try_acquire());
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) loop.spawn(acquire_in_order(semaphore, i, &order));
    loop.run_ready();
    for (int i = 0; i < 5; ++i) {
        semaphore.release();
        EXPECT_FALSE(semaphore.try_acquire()) << "the permit belongs to the waiter";
        loop.run_ready();
    }
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
    EXPECT_EQ(semaphore.in_use(), 1U);
}

TEST(Semaphore, EndsAWaitAtItsDeadline) {
    Semaphore semaphore(1, 10);
    ManualLoop loop;
    ASSERT_TRUE(semaphore.try_acquire());
    std::optional<Acquired> result;
    loop.spawn(acquire_into(semaphore, past, &result));
    ASSERT_TRUE(testing::wait_until([&] {
        loop.run_ready();
        return result.has_value();
    }));
    EXPECT_EQ(result, Acquired::deadline_passed);
    EXPECT_EQ(semaphore.waiting(), 0U);
    semaphore.release();
    EXPECT_EQ(semaphore.in_use(), 0U);
}

TEST(Semaphore, KeepsThePermitThatWasGrantedAsTheDeadlinePassed) {
    Semaphore semaphore(1, 10);
    ManualLoop loop;
    ASSERT_TRUE(semaphore.try_acquire());
    std::optional<Acquired> result;
    loop.spawn(acquire_into(semaphore, past, &result));
    loop.io.poll_one();  // it waits, and its timer is due
    ASSERT_EQ(semaphore.waiting(), 1U);
    semaphore.release();
    loop.run_ready();
    EXPECT_EQ(result, Acquired::yes);
    EXPECT_EQ(semaphore.in_use(), 1U);
}

TEST(Semaphore, SkipsAWaiterWhoseDeadlinePassed) {
    Semaphore semaphore(1, 10);
    ManualLoop loop;
    ASSERT_TRUE(semaphore.try_acquire());
    std::optional<Acquired> first, second;
    loop.spawn(acquire_into(semaphore, past, &first));
    loop.spawn(acquire_into(semaphore, never, &second));
    ASSERT_TRUE(testing::wait_until([&] {
        loop.run_ready();
        return first.has_value();
    }));
    semaphore.release();
    loop.run_ready();
    EXPECT_EQ(first, Acquired::deadline_passed);
    EXPECT_EQ(second, Acquired::yes);
}

TEST(Semaphore, ForgetsAWaiterThatIsDestroyed) {
    Semaphore semaphore(1, 10);
    ASSERT_TRUE(semaphore.try_acquire());
    std::optional<Acquired> result;
    {
        ManualLoop loop;
        loop.spawn(acquire_into(semaphore, never, &result));
        loop.run_ready();
        ASSERT_EQ(semaphore.waiting(), 1U);
    }
    EXPECT_EQ(semaphore.waiting(), 0U);
    semaphore.release();
    EXPECT_EQ(semaphore.in_use(), 0U);
}

TEST(Semaphore, PassesOnThePermitOfAWaiterThatIsDestroyedBeforeItRan) {
    Semaphore semaphore(1, 10);
    ASSERT_TRUE(semaphore.try_acquire());
    std::optional<Acquired> destroyed, next;
    ManualLoop other;
    {
        ManualLoop loop;
        loop.spawn(acquire_into(semaphore, never, &destroyed));
        loop.run_ready();
        other.spawn(acquire_into(semaphore, never, &next));
        other.run_ready();
        semaphore.release();  // granted to the first, which never runs again
        EXPECT_EQ(semaphore.in_use(), 1U);
    }
    other.run_ready();
    EXPECT_EQ(destroyed, std::nullopt);
    EXPECT_EQ(next, Acquired::yes);
}

TEST(Semaphore, MayBeGoneWhenItsWaitersAreDestroyed) {
    std::optional<Acquired> waits, granted;
    ManualLoop loop;
    {
        Semaphore semaphore(1, 10);
        ASSERT_TRUE(semaphore.try_acquire());
        loop.spawn(acquire_into(semaphore, never, &granted));
        loop.spawn(acquire_into(semaphore, never, &waits));
        loop.run_ready();
        semaphore.release();
    }
    EXPECT_EQ(granted, std::nullopt);
}

struct Contention {
    Semaphore semaphore{3, 64};
    std::atomic<int> inside{0};
    std::atomic<int> most_inside{0};
    std::atomic<std::uint64_t> got{0}, late{0}, full{0};

    void enter() {
        const int now = inside.fetch_add(1) + 1;
        int most = most_inside.load();
        while (now > most && !most_inside.compare_exchange_weak(most, now)) {
        }
    }
    void leave() {
        inside.fetch_sub(1);
        semaphore.release();
    }
};

// Gives its permit back also when its coroutine is destroyed.
struct Inside {
    explicit Inside(Contention& of) : contention(of) { contention.enter(); }
    ~Inside() { contention.leave(); }
    Contention& contention;
};

// Holds the permit while other tasks of the loop have their turn, so that they find it taken.

Task<void> contend(Contention& contention, int rounds, int seed) {
    for (int i = 0; i < rounds; ++i) {
        // Deadlines of 0 to 63 us, so that many pass while the permit is on its way.
        const auto wait = std::chrono::microseconds((i * 7 + seed * 13) % 64);
        const Acquired acquired = co_await contention.semaphore.acquire(Deadline::in(wait));
        if (acquired == Acquired::yes) {
            ++contention.got;
            const Inside inside(contention);
            co_await yield();
        } else {
            ++(acquired == Acquired::queue_full ? contention.full : contention.late);
        }
    }
}

TEST(Semaphore, LosesNoPermitWhenGrantsRaceWithDeadlines) {
    telemetry::Registry registry;
    Contention contention;
    constexpr int loop_count = 4, tasks = 24, rounds = 2000;
    LoopsOptions options;
    options.threads = loop_count;
    Loops loops(options, registry);
    TaskScope scope("contention");
    for (int i = 0; i < tasks; ++i) {
        scope.spawn(loops.executor(i % loop_count), contend(contention, rounds, i));
    }
    loops.start();
    std::thread fast([&] {
        for (int i = 0; i < 20'000; ++i) {
            if (contention.semaphore.try_acquire()) const Inside inside(contention);
        }
    });
    fast.join();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_EQ(contention.got + contention.late + contention.full, 1ULL * tasks * rounds);
    EXPECT_LE(contention.most_inside, 3);
    EXPECT_GT(contention.got, 0U);
    EXPECT_GT(contention.late, 0U);
    EXPECT_EQ(contention.semaphore.in_use(), 0U);
    EXPECT_EQ(contention.semaphore.waiting(), 0U);
}

Task<void> take_turns(Semaphore& semaphore, int rounds, std::atomic<int>* total) {
    for (int i = 0; i < rounds; ++i) {
        const Acquired acquired = co_await semaphore.acquire(never);
        if (acquired != Acquired::yes) co_return;
        ++*total;
        co_await yield();
        semaphore.release();
    }
}

TEST(Semaphore, LosesNoWakeUpBetweenLoops) {
    telemetry::Registry registry;
    LoopsOptions options;
    options.threads = 3;
    Loops loops(options, registry);
    Semaphore semaphore(1, 64);
    std::atomic<int> total{0};
    TaskScope scope("turns");
    for (int i = 0; i < 9; ++i) {
        scope.spawn(loops.executor(i % 3), take_turns(semaphore, 3000, &total));
    }
    loops.start();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_EQ(total, 27'000);
}

TEST(Semaphore, HandsOnNothingUntilWhatIsInUseFits) {
    Semaphore semaphore(3, 4);
    ManualLoop loop;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(semaphore.try_acquire());
    std::vector<int> order;
    for (int i = 0; i < 2; ++i) loop.spawn(acquire_in_order(semaphore, i, &order));
    loop.run_ready();
    semaphore.resize(1);
    EXPECT_EQ(semaphore.permits(), 1U);
    EXPECT_EQ(semaphore.in_use(), 3U) << "nothing is taken away";
    semaphore.release();
    semaphore.release();
    loop.run_ready();
    EXPECT_EQ(semaphore.in_use(), 1U);
    EXPECT_TRUE(order.empty()) << "one is in use, the most there may be";
    EXPECT_FALSE(semaphore.try_acquire());
    semaphore.release();
    loop.run_ready();
    EXPECT_EQ(order, std::vector<int>{0}) << "now it is handed on";
    semaphore.release();
    loop.run_ready();
    EXPECT_EQ(order, (std::vector<int>{0, 1}));
}

TEST(Semaphore, GivesMorePermitsToThoseWhoWaitInOrder) {
    Semaphore semaphore(1, 8);
    ManualLoop loop;
    ASSERT_TRUE(semaphore.try_acquire());
    std::vector<int> order;
    for (int i = 0; i < 4; ++i) loop.spawn(acquire_in_order(semaphore, i, &order));
    loop.run_ready();
    semaphore.resize(3);
    loop.run_ready();
    EXPECT_EQ(order, (std::vector<int>{0, 1}));
    EXPECT_EQ(semaphore.waiting(), 2U);
    semaphore.resize(6);
    loop.run_ready();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
    EXPECT_EQ(semaphore.in_use(), 5U);
    EXPECT_TRUE(semaphore.try_acquire());
    EXPECT_FALSE(semaphore.try_acquire());
}

// What a semaphore is: numbers and a queue.
struct SemaphoreModel {
    std::size_t permits, in_use = 0;
    std::deque<int> waiting{};
    std::vector<int> granted{};

    void settle() {
        while (!waiting.empty() && in_use < permits) {
            ++in_use;
            granted.push_back(waiting.front());
            waiting.pop_front();
        }
    }
};

TEST(Semaphore, DoesWhatItsModelDoes) {
    constexpr std::size_t waiters_max = 6;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Semaphore semaphore(2, waiters_max);
        SemaphoreModel model{.permits = 2};
        ManualLoop loop;
        std::vector<int> granted;
        for (int step = 0; step < 200; ++step) {
            switch (random.below(4)) {
                case 0:
                    if (model.in_use < model.permits || model.waiting.size() < waiters_max) {
                        model.waiting.push_back(step);
                        model.settle();
                    }
                    loop.spawn(acquire_in_order(semaphore, step, &granted));
                    break;
                case 1: {
                    const bool is_free = model.waiting.empty() && model.in_use < model.permits;
                    EXPECT_EQ(semaphore.try_acquire(), is_free);
                    if (is_free) ++model.in_use;
                    break;
                }
                case 2:
                    if (model.in_use == 0) break;
                    --model.in_use;
                    semaphore.release();
                    model.settle();
                    break;
                default:
                    model.permits = 1 + random.below(5);
                    semaphore.resize(model.permits);
                    model.settle();
            }
            loop.run_ready();
            ASSERT_EQ(semaphore.in_use(), model.in_use);
            ASSERT_EQ(semaphore.waiting(), model.waiting.size());
            ASSERT_EQ(semaphore.permits(), model.permits);
            ASSERT_EQ(granted, model.granted);
        }
    }
}

// Resizing races with everything else, and in the end every task has had its turns.
TEST(Semaphore, LosesNoPermitWhileItIsResized) {
    telemetry::Registry registry;
    Contention contention;
    constexpr int loop_count = 3, tasks = 18, rounds = 1'000;
    LoopsOptions options;
    options.threads = loop_count;
    Loops loops(options, registry);
    TaskScope scope("resized");
    for (int i = 0; i < tasks; ++i) {
        scope.spawn(loops.executor(i % loop_count), contend(contention, rounds, i));
    }
    std::atomic<bool> is_over{false};
    std::thread resizing([&] {
        for (std::size_t i = 0; !is_over; ++i) contention.semaphore.resize(1 + i % 3);
        contention.semaphore.resize(3);
    });
    loops.start();
    const bool all_ended = scope.join_blocking(Deadline::in(testing::patience));
    is_over = true;
    resizing.join();
    ASSERT_TRUE(all_ended);
    EXPECT_EQ(contention.got + contention.late + contention.full, 1ULL * tasks * rounds);
    EXPECT_LE(contention.most_inside, 3);
    EXPECT_EQ(contention.semaphore.in_use(), 0U);
    EXPECT_EQ(contention.semaphore.waiting(), 0U);
}

TEST(Semaphore, SurvivesLoopsThatStopInTheMiddle) {
    telemetry::Registry registry;
    for (int round = 0; round < 50; ++round) {
        Contention contention;
        LoopsOptions options;
        options.threads = 3;
        Loops loops(options, registry);
        TaskScope scope("stopped");
        for (int i = 0; i < 12; ++i) {
            scope.spawn(loops.executor(i % 3), contend(contention, 1'000'000, i));
        }
        loops.start();
        ASSERT_TRUE(testing::wait_until([&] { return contention.got > 10U; }));
        loops.stop();
        EXPECT_EQ(scope.running(), 0U);
        EXPECT_EQ(contention.semaphore.in_use(), 0U);
        EXPECT_EQ(contention.semaphore.waiting(), 0U);
    }
}

}  // namespace
}  // namespace loadstone::runtime
