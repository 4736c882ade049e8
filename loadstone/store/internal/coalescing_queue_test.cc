#include "loadstone/store/internal/coalescing_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::store::internal {
namespace {

Task<void> hold_a_place(Context& context, std::weak_ptr<CoalescingQueue> of,
                        std::atomic<int>& entered) {
    const std::shared_ptr<CoalescingQueue> queue = of.lock();
    const auto mine = std::make_shared<Coalesced>(context.deadline());
    const QueuePlace place(queue, mine);
    ++entered;
    co_await queue->enter(context, mine);
    BatchTurn turn(*queue, context);
    turn.take(mine);
    co_await runtime::sleep_until(Deadline::unbounded());
}

// Of a server that was not drained, the loops end after what they have at work.
TEST(CoalescingQueue, IsKeptByThoseInIt) {
    telemetry::Registry registry;
    runtime::LoopsOptions options;
    options.threads = 2;
    runtime::Loops loops(options, registry);
    runtime::TaskScope scope("abandoned");
    const runtime::Services services;
    Context one(services, Deadline::unbounded()), other(services, Deadline::unbounded());
    auto queue = std::make_shared<CoalescingQueue>(
        CoalescingQueue::Options{.name = "test", .batch_max = 8, .waiting_max = 8}, registry);
    const std::weak_ptr<CoalescingQueue> weak = queue;
    std::atomic<int> entered{0};
    scope.spawn(loops.executor(0), hold_a_place(one, weak, entered));
    scope.spawn(loops.executor(1), hold_a_place(other, weak, entered));
    loops.start();
    ASSERT_TRUE(runtime::testing::wait_until([&] { return entered == 2; }));
    queue.reset();
    EXPECT_FALSE(weak.expired());
    loops.stop();
    EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace loadstone::store::internal
