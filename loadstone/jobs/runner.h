#pragma once
// Runner: claims jobs in batches, runs them on the loops, records what became of them.
//
// Leases. A runner is a row in loadstone_processes whose heartbeat_at it renews every
// `heartbeat_every`. What it claims at once is a batch, a row that names the process; whatever
// finishes, fails or hands back a job names batch and process, and the database compares them. When
// a heartbeat is older than `dead_after` by the database's clock, any other runner deletes the
// process row and makes its jobs ready again. A runner that could not renew for `dead_after` minus
// two heartbeats by its own steady clock cancels what it runs; later it renews its old row if that
// is still there, and else registers anew: local time only bounds, the database's time decides.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "loadstone/admission/bulkhead.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/services.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::jobs {

struct RunnerOptions {
    std::size_t running_max = 64;  // jobs at once in this process
    std::size_t claim_batch_max = 64;
    std::chrono::milliseconds heartbeat_every{2'000};
    std::chrono::milliseconds dead_after{10'000};  // detection at most dead_after + heartbeat_every
    // Limits that let at least so many of a key run at once lend some of these places to processes,
    // whose claims then do not ask; 0: nothing is lent.
    int lend_places_min = 64;
    int crashes_max = 3;  // processes a job may take down before it is a dead letter
    std::chrono::milliseconds poll_every{1'000};  // fallback when a wake-up was lost; jittered
    std::uint64_t seed = 0;                       // of the jitter; 0: from the clock
    // Runs suspects, jobs that one more crash buries, one at a time and nothing else: the process
    // is there to be taken down. All others leave them to it.
    bool is_sandbox = false;
    // Of the others: suspects wait for a sandbox. Called again and again, in a loop; does not
    // block. Where it is empty somebody else sees to it.
    std::function<void()> need_sandbox;
};

// Which bulkhead a module's jobs run in. A claim takes only jobs for which it has room: those of a
// module that is busy wait in the table, where they hold up no other module's.
using JobBulkheads = std::map<std::string, admission::Bulkhead*>;

class Runner {
public:
    Runner(const RunnerOptions& options, Queue& queue, JobBulkheads bulkheads,
           runtime::Loops& loops, const runtime::Services& services, telemetry::Registry& registry);
    ~Runner();

    void start();
    // How long ago it last had claimed, or had found that it could claim nothing: every place
    // taken, queues paused or held up by limits.
    std::chrono::milliseconds since_pulling() const;
    // Of a sandbox. `idle_for`: how long no suspect has run, nor waited in a queue that is not
    // paused. `is_stuck`: a cancelled handler does not end, and no other suspect can begin.
    struct SandboxState {
        std::chrono::milliseconds idle_for{0};
        bool is_stuck = false;
        bool has_run_any = false;
    };
    SandboxState sandbox_state() const;
    // The sandbox has ended: it is looked again whether suspects wait.
    void look_for_suspects();
    // Claims no more; what runs goes on.
    void stop_claiming();
    // Claims no more, lets running jobs end until the deadline, cancels the rest, hands back what
    // is unfinished, signs off. Blocking, from outside the loops. False if a handler would not
    // end: its job has been handed back, but the loops must not be torn down under it.
    bool stop(runtime::Deadline deadline);

    struct Impl;

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace loadstone::jobs
