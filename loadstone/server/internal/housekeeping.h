#pragma once
// Housekeeping: small periodic work of the server itself. How long jobs have been due every second
// or two; old idempotency records, changes of views, ended jobs and the declarations of kinds every
// minute. What fails is logged and tried at the next round.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "loadstone/jobs/admin.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/server/config.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::cache {
class Cache;
}
namespace loadstone::jobs {
class Queue;
class Runner;
}  // namespace loadstone::jobs

namespace loadstone::server::internal {

class Housekeeping {
public:
    // `runner` is null where no jobs run. All must outlive this.
    Housekeeping(const Config& config, jobs::Queue& queue, cache::Cache& cache,
                 const jobs::Runner* runner, telemetry::Registry& registry);
    ~Housekeeping();
    Housekeeping(const Housekeeping&) = delete;
    Housekeeping& operator=(const Housekeeping&) = delete;

    // Until `stop` is set.
    void start(runtime::Loops& loops, const runtime::Services& services, runtime::Event& stop,
               runtime::TaskScope& background);

private:
    Task<void> run(const runtime::Services& services, runtime::Event& stop);
    Task<void> round(Context& context, std::chrono::nanoseconds& pause);
    Task<void> declare_kinds(Context& context);
    void watch_queue_ages();
    void note_queue_ages(const std::vector<jobs::QueueAge>& ages);
    void watch_pulling();

    const Config& config_;
    jobs::Queue& queue_;
    cache::Cache& cache_;
    const jobs::Runner* runner_;
    telemetry::Registry& registry_;
    std::atomic<std::int64_t> oldest_due_us_{0};
    std::map<std::string, std::atomic<std::int64_t>> queue_ages_us_;
    std::atomic<bool> is_not_pulling_{false};
    bool kinds_are_declared_ = false;
    std::chrono::steady_clock::time_point declare_at_{}, prune_at_{};
    runtime::SpanSlot slot_;
};

}  // namespace loadstone::server::internal
