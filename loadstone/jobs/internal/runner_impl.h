#pragma once
// The runner's state and its five tasks. Claims (claiming.cc), outcomes (recording.cc), the lease
// (leasing.cc) and schedules (recurring.cc) are tasks of loop 0; jobs run on all loops (runner.cc).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/base/log_throttle.h"
#include "loadstone/base/random.h"
#include "loadstone/jobs/internal/lanes.h"
#include "loadstone/jobs/internal/limits.h"
#include "loadstone/jobs/internal/loans.h"
#include "loadstone/jobs/internal/outcome_queue.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/runner.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/lease_transactions.h"

namespace loadstone::jobs {

namespace internal {

inline constexpr std::chrono::milliseconds control_deadline{
    10'000};  // of one claim, record, heartbeat
inline constexpr std::chrono::milliseconds hold_max{5'000};
// What a cancelled handler that does not look at its context is given before its job ends without
// it.
inline constexpr std::chrono::milliseconds abandon_after =
    recording_grace + std::chrono::milliseconds(1'000);
// Outcomes that wait for somebody's transaction.
inline constexpr std::size_t outcomes_aside_max = 4'096;
inline constexpr std::chrono::milliseconds failure_pause{500};  // after the database refused one

// Of `all` places a quarter is worth a claim at once: one for each single place would be a
// transaction a job. Fewer are worth one each `small_claim_every`.
inline constexpr std::chrono::milliseconds small_claim_every{20};
inline bool enough(std::size_t free, std::size_t all) {
    return free >= std::max<std::size_t>(1, all / 4);
}

}  // namespace internal

// A place in which one job runs at a time. It belongs to one loop, so that a chain of slices that
// is ending and the next one that begins never touch the slot from two threads.
struct Seat : std::enable_shared_from_this<Seat> {
    int loop = 0;
    runtime::SpanSlot slot;
    RunNotes notes;

    // Under Impl::mutex.
    std::size_t queue_number = 0;
    Context* context = nullptr;  // null while free
    internal::SharedJob job;
    Lease lease;
    bool cancel_asked = false;
    Deadline abandon_at = Deadline::unbounded();
    bool is_abandoned = false;  // its job has ended without it
};

// A job that has been claimed and has a place.
struct Seated {
    Seat* seat = nullptr;
    const Kind* kind = nullptr;
    Lease lease;
    std::int64_t claimed_at = 0;  // microseconds
    std::optional<admission::Permit> permit;
    // Where its claim was committed, which is behind all that it was enqueued with.
    runtime::Position position;
    internal::ClaimedJob job;
};

struct Runner::Impl {
    Impl(const RunnerOptions& runner_options, Queue& jobs_queue, JobBulkheads job_bulkheads,
         runtime::Loops& event_loops, const runtime::Services& server_services,
         telemetry::Registry& metrics);
    ~Impl() { registry.remove_gauges(this); }

    Task<void> dispatch();
    std::size_t free_places() const;
    std::vector<internal::LaneClaim> lanes_to_claim();
    // Nothing runs, and all ends are recorded.
    bool is_empty() const;
    void look_after_suspects();
    std::vector<std::size_t> running_by_queue() const;
    void count_fates(const std::map<std::string, internal::Fates>& fates);
    // True: there may be more.
    Task<bool> claim_and_start(std::int64_t owner);
    runtime::Position claim_position;  // where the last claim was committed
    Task<internal::Claimed> claim(std::int64_t owner, internal::LaneClaims wanted,
                                  std::size_t total, internal::SharedClaimLoans lent);
    // What came of a claim's loans.
    void settle_claim(const internal::ClaimLoans& of, bool is_certain);
    // What is lent and hardly used goes back.
    Task<void> give_loans_back(Context& context, std::int64_t owner);
    void give_back(std::vector<internal::Finished>& runs);
    void watch_for_strays(std::int64_t owner);
    Task<void> hand_back_strays(std::int64_t owner);
    std::string known_batches(std::int64_t owner) const;
    // What is due of the scheduled jobs becomes ready; sets when the next one will be.
    Task<void> ready_due_jobs();
    // What operators have set and asked for, what running jobs have to tell.
    Task<void> look_around();
    Task<void> read_settings(Reader reader);
    void apply_limit_settings(const std::vector<internal::LimitSetting>& settings);
    Task<void> tell_progress(Context& context);
    void cancel_asked_for(const std::vector<std::int64_t>& jobs);
    // Those whose runs ended before they heard of it.
    Task<void> drop_cancelled(Context& context);
    void abandon_overdue();
    // What recurs, beside the claims: it may wait for somebody's transaction, and they do not.
    void look_at_schedules();
    Task<void> fire_recurring();
    Task<void> fire(Context& context, const Recurring& recurring);
    // Jobs that were enqueued after others.
    Task<void> follow_others();
    // Lanes with a partition in which something new stands.
    Task<void> discover();
    Task<std::int64_t> learn_lanes(Reader reader);
    Task<std::int64_t> read_horizon(Reader reader);
    Task<void> advance_cursors();
    std::chrono::milliseconds pause_before_next_claim();
    void poll_if_due();
    // Of a kind whose job was put off because what it needs is away, nothing is claimed until that
    // said to ask again, or hold_max: each of thousands that wait would only learn the same.
    void hold(const Kind& kind, std::chrono::milliseconds time);
    void apply_holds();
    void apply_freed();
    Seated seat(internal::ClaimedJob job, const internal::Batch& batch, std::int64_t owner);
    // Those that have expired end without being run.
    Task<void> start(std::vector<Seated> seated);
    Task<void> run(Seat* seat, const Kind* kind, JobInfo info, internal::SharedJob job,
                   std::optional<admission::Permit> permit, runtime::Position position);
    void finish(Seat* seat, internal::Finished outcome);
    Task<void> record_outcomes();
    // How many jobs still run of the batches that some outcomes belong to.
    std::size_t left_of_parted() const;
    Task<void> gather_outcomes();
    Task<void> keep_lease();
    // True: there is no more to rescue.
    Task<bool> rescue(Context& context, std::int64_t dead_us);
    Task<void> sign_off();
    void begin(runtime::SpanSlot& slot, Context& context, telemetry::LabelIndex label,
               const char* name) const;
    void end(runtime::SpanSlot& slot, Context& context, bool failed) const;
    void cancel_running();
    internal::SharedLimits limits_now() const;

    const RunnerOptions options;
    Queue& queue;
    JobBulkheads bulkheads;
    runtime::Loops& loops;
    const runtime::Services& services;
    store::LeaseTransactions lease_transactions;
    runtime::Services lease_services;  // of the task that keeps the lease
    telemetry::Registry& registry;
    Random random;  // under mutex

    const telemetry::LabelIndex claim_label, record_label, heartbeat_label, fire_label;
    telemetry::Counter &rescued, &leases_lost, &handed_back, &expired_total, &cancelled_total,
        &fired_total, &loans_total, &covered_total;
    std::map<std::string, telemetry::Counter*> limited_of;  // by queue

    std::atomic<bool> stopping{false};   // claims no more
    std::atomic<bool> giving_up{false};  // running jobs are cancelled
    std::atomic<bool> claims_have_ended{false};
    std::atomic<bool> recording_ends{false};  // all jobs have ended
    std::atomic<bool> closing{false};         // all outcomes are recorded: sign off
    std::atomic<std::int64_t> process{0};     // 0: no lease
    runtime::Event wake, finished_event, closing_event;
    // Of the tasks of loop 0, which may outlast this by the end of a slice.
    const std::shared_ptr<runtime::SpanSlot> claim_slot = std::make_shared<runtime::SpanSlot>(),
                                             start_slot = std::make_shared<runtime::SpanSlot>(),
                                             record_slot = std::make_shared<runtime::SpanSlot>(),
                                             lease_slot = std::make_shared<runtime::SpanSlot>(),
                                             fire_slot = std::make_shared<runtime::SpanSlot>();
    runtime::TaskScope claims{"job claims"}, jobs{"jobs"}, records{"job records"},
        lease{"job lease"};

    // Of the claims' task.
    internal::Lanes lanes;
    std::atomic<bool> may_have_suspects{false};  // others than those known
    // Of a sandbox. Until it has looked there may be some.
    std::atomic<bool> has_suspects{true}, is_stuck{false}, has_run_any{false};
    std::atomic<Deadline::Clock::time_point> had_suspects_at{Deadline::Clock::now()};
    const bool has_keyed;  // some kind has a tenant or limits
    // The modules' budgets are more than the process's places: each queue leaves some to others.
    const bool is_contended;
    // Places up to it have been looked at for lanes once at least, be they decided or not.
    std::int64_t looked = 0;
    Deadline full_look_at = runtime::Deadline::in(std::chrono::milliseconds(0));
    internal::LaneFound lanes_from;  // where the look at all lanes goes on
    Deadline discover_at = runtime::Deadline::in(std::chrono::milliseconds(0));
    Deadline recurring_at = runtime::Deadline::in(std::chrono::milliseconds(0));
    bool is_firing = false, schedules_are_known = false;
    Deadline due_at =
        runtime::Deadline::in(std::chrono::milliseconds(0));  // the next scheduled job
    // Where kinds have partitions discover() looks at the start.
    Deadline lanes_at = runtime::Deadline::in(
        has_keyed && !options.is_sandbox ? internal::Lanes::sweep_every : std::chrono::seconds(0));
    Deadline cursors_at = runtime::Deadline::in(std::chrono::milliseconds(0));
    Deadline look_at = runtime::Deadline::in(std::chrono::milliseconds(0));
    log::Throttle look_complaints{std::chrono::seconds(10)},
        fire_complaints{std::chrono::seconds(10)}, follow_complaints{std::chrono::seconds(10)};
    Deadline::Clock::time_point due_read{}, discovered{};
    bool held_off = false;  // places are free, and too few for a claim before small_claim_at
    std::atomic<bool> lease_is_back{false};
    Deadline poll_at = runtime::Deadline::in(std::chrono::milliseconds(0));
    Deadline small_claim_at = runtime::Deadline::in(std::chrono::milliseconds(0));
    std::atomic<bool> new_jobs{true};  // somebody has committed jobs
    std::atomic<Deadline::Clock::time_point> pulled_at{Deadline::Clock::now()};
    std::atomic<bool> has_backlog{false};  // a place that becomes free is worth a look

    std::int64_t strays_of = 0;  // whose lost claims are looked for; of the claims' task
    Deadline strays_until{Deadline::Clock::now()}, strays_next{Deadline::Clock::now()};

    internal::Loans loans;

    mutable std::mutex mutex;
    internal::SharedLimits limits;
    std::set<std::string> freed;            // limits of which places are free again
    std::set<std::int64_t> cancel_wanted;   // jobs, as last read
    std::map<std::string, Deadline> holds;  // by kind
    std::vector<std::shared_ptr<Seat>> seats;
    std::vector<Seat*> free_seats;
    std::vector<std::size_t> running_of;  // by Kind::queue_number, how many of them have a seat
    // At most 2 * running_max, and outcomes_aside_max: claims wait for them to be recorded.
    internal::OutcomeQueue outcomes;
};

}  // namespace loadstone::jobs
