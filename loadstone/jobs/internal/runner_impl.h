#pragma once
// The runner's state and its four tasks. Claims (claiming.cc), outcomes (recording.cc) and the
// lease (leasing.cc) are tasks of loop 0; jobs run on all loops (runner.cc).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/base/random.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/runner.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"

namespace loadstone::jobs {

namespace internal {

inline constexpr std::chrono::milliseconds control_deadline{
    10'000};                                                    // of one claim, record, heartbeat
inline constexpr std::chrono::milliseconds failure_pause{500};  // after the database refused one

// Of `all` places a quarter is worth a claim: one for each single place would be a transaction a
// job.
inline bool enough(std::size_t free, std::size_t all) {
    return free >= std::max<std::size_t>(1, all / 4);
}

}  // namespace internal

// What the next claim may take.
struct Claimable {
    std::string kinds_json;
    std::size_t count = 0;  // 0: nothing has room
};

// A place in which one job runs at a time. It belongs to one loop, so that a chain of slices that
// is ending and the next one that begins never touch the slot from two threads.
struct Seat : std::enable_shared_from_this<Seat> {
    int loop = 0;
    runtime::SpanSlot slot;
    Context* context = nullptr;  // under Impl::mutex; null while free
};

struct Runner::Impl {
    Impl(const RunnerOptions& runner_options, Queue& jobs_queue, JobBulkheads job_bulkheads,
         runtime::Loops& event_loops, const runtime::Services& server_services,
         telemetry::Registry& metrics);
    ~Impl() { registry.remove_gauges(this); }

    Task<void> dispatch();
    Claimable claimable() const;
    bool has_room(const std::string& module) const;
    Task<std::vector<internal::ClaimedRow>> claim(std::int64_t owner, const Claimable& wanted);
    void watch_for_strays(std::int64_t owner);
    Task<void> hand_back_strays(std::int64_t owner);
    std::string known_jobs(std::int64_t owner) const;
    Task<std::chrono::milliseconds> pause_before_next_claim(const std::string& kinds_json,
                                                            bool claimed_none);
    void start_job(internal::ClaimedRow row, std::int64_t owner);
    Task<void> run(Seat* seat, const Kind* kind, JobInfo info,
                   std::optional<admission::Permit> permit);
    void finish(Seat* seat, const Kind* kind, internal::Finished outcome);
    Task<void> record_outcomes();
    Task<void> keep_lease();
    Task<void> sign_off();
    void begin(runtime::SpanSlot& slot, Context& context, telemetry::LabelIndex label,
               const char* name) const;
    void end(runtime::SpanSlot& slot, Context& context, bool failed) const;
    void cancel_running();

    const RunnerOptions options;
    Queue& queue;
    JobBulkheads bulkheads;
    runtime::Loops& loops;
    const runtime::Services& services;
    telemetry::Registry& registry;
    Random random;  // under mutex

    const telemetry::LabelIndex claim_label, record_label, heartbeat_label;
    telemetry::Counter &retried, &snoozed, &buried, &rescued, &leases_lost, &handed_back;

    std::atomic<bool> stopping{false};        // claims no more
    std::atomic<bool> giving_up{false};       // running jobs are cancelled
    std::atomic<bool> recording_ends{false};  // all jobs have ended
    std::atomic<bool> closing{false};         // all outcomes are recorded: sign off
    std::atomic<std::int64_t> process{0};     // 0: no lease
    runtime::Event wake, finished_event, closing_event, registered;
    // Of the tasks of loop 0, which may outlast this by the end of a slice.
    const std::shared_ptr<runtime::SpanSlot> claim_slot = std::make_shared<runtime::SpanSlot>(),
                                             record_slot = std::make_shared<runtime::SpanSlot>(),
                                             lease_slot = std::make_shared<runtime::SpanSlot>();
    runtime::TaskScope claims{"job claims"}, jobs{"jobs"}, records{"job records"},
        lease{"job lease"};

    std::int64_t strays_of = 0;  // whose lost claims are looked for; of the claims' task
    Deadline strays_until{Deadline::Clock::now()}, strays_next{Deadline::Clock::now()};

    mutable std::mutex mutex;
    std::set<std::pair<std::int64_t, std::int64_t>> held;  // process and job: claimed, not recorded
    std::vector<std::shared_ptr<Seat>> seats;
    std::vector<Seat*> free_seats;
    std::deque<internal::Finished>
        finished;  // at most 2 * running_max: claims wait for it to be recorded
};

}  // namespace loadstone::jobs
