#pragma once
// Lane: a few threads with a bounded queue, for work that must not run on a loop: hashing,
// reports, heavy reads. A wait in the queue ends at the context's deadline; work that has begun is
// waited for.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "loadstone/base/function_ref.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::runtime {

struct LaneOptions {
    std::string name;  // "cpu", "reader"; in metrics and messages
    int threads = 1;
    std::size_t queue_max = 256;
    bool in_background = false;  // yields to the loops while they want the core: see cpu.h
    // In the background: after a piece has been held up for so long, one more thread, which does
    // not yield, takes what waits. So work goes on, slowly, beside loops that leave it no CPU.
    std::chrono::milliseconds patience{2'000};
};

class Lane {
public:
    Lane(const LaneOptions& options, telemetry::Registry& registry);
    ~Lane();  // joins; queued work is abandoned with Errc::cancelled
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    // Runs `work()` on a thread of the lane and gives its result; its exception comes back as is.
    // Queue full: Errc::unavailable with a retry_after. The wait in the queue is accounted as
    // run_queue, the run as CPU of the context's span.
    template <class Work>
    Task<std::invoke_result_t<Work&>> run(Context& context, Work work) {
        using Value = std::invoke_result_t<Work&>;
        if constexpr (std::is_void_v<Value>) {
            co_await run_erased(context, work);
        } else {
            std::optional<Value> value;
            auto store = [&] { value.emplace(work()); };
            co_await run_erased(context, store);
            co_return std::move(*value);
        }
    }

    // Fire and forget from any thread; false if the queue is full.
    bool post(std::function<void()> work);

    struct Impl;

private:
    Task<void> run_erased(Context& context, FunctionRef<void()> work);

    std::shared_ptr<Impl> impl_;
};

// The server's lane for CPU work, as a service.
struct CpuLane {
    Lane& lane;
};

}  // namespace loadstone::runtime
