#include "loadstone/jobs/runner.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/log.h"
#include "loadstone/base/random.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

namespace {

using runtime::Loops;
using std::chrono::milliseconds;

constexpr milliseconds control_deadline{10'000};  // of one claim, record or heartbeat
constexpr milliseconds failure_pause{500};        // after the database refused one
constexpr milliseconds stray_watch{30'000};       // how long a lost claim may still be committed
constexpr milliseconds refused_pause{20};         // after a claim got none of the jobs that are due
constexpr milliseconds cancel_grace = recording_grace + milliseconds(1'000);
constexpr std::size_t record_batch_max = 500;

std::string process_name() {
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    return fmt::format("{}:{}", host, getpid());
}

}  // namespace

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
         Loops& event_loops, const runtime::Services& server_services, telemetry::Registry& metrics)
        : options(runner_options),
          queue(jobs_queue),
          bulkheads(std::move(job_bulkheads)),
          loops(event_loops),
          services(server_services),
          registry(metrics),
          random(Timestamp::now().micros),
          claim_label(metrics.add_label(telemetry::LabelKind::job, "loadstone.claim", "loadstone")),
          record_label(
              metrics.add_label(telemetry::LabelKind::job, "loadstone.record", "loadstone")),
          heartbeat_label(
              metrics.add_label(telemetry::LabelKind::job, "loadstone.heartbeat", "loadstone")),
          retried(metrics.counter("loadstone_jobs_retried_total", "",
                                  "Runs that failed and will be tried again")),
          snoozed(metrics.counter("loadstone_jobs_snoozed_total", "",
                                  "Runs put off because the world was not ready")),
          buried(
              metrics.counter("loadstone_jobs_buried_total", "", "Jobs moved to the dead letters")),
          rescued(metrics.counter("loadstone_jobs_rescued_total", "",
                                  "Jobs taken from processes that died")),
          leases_lost(metrics.counter("loadstone_jobs_leases_lost_total", "",
                                      "Runs whose outcome came too late")) {
        seats.resize(options.running_max);
        for (std::size_t i = 0; i < seats.size(); ++i) {
            seats[i] = std::make_shared<Seat>();
            seats[i]->loop = static_cast<int>(i) % loops.size();
            free_seats.push_back(seats[i].get());
        }
        metrics.gauge(this, "loadstone_jobs_running", "", "Jobs that run in this process", [this] {
            const std::lock_guard lock(mutex);
            return static_cast<double>(options.running_max - free_seats.size());
        });
    }
    ~Impl() { registry.remove_gauges(this); }

    Task<void> dispatch();
    Claimable claimable() const;
    bool has_room(const std::string& module) const;
    Task<std::vector<internal::ClaimedRow>> claim(std::int64_t owner, const Claimable& wanted);
    void watch_for_strays(std::int64_t owner);
    Task<void> hand_back_strays(std::int64_t owner);
    std::string known_jobs(std::int64_t owner) const;
    Task<milliseconds> pause_before_next_claim(const std::string& kinds_json, bool claimed_none);
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
    Loops& loops;
    const runtime::Services& services;
    telemetry::Registry& registry;
    Random random;  // under mutex

    const telemetry::LabelIndex claim_label, record_label, heartbeat_label;
    telemetry::Counter &retried, &snoozed, &buried, &rescued, &leases_lost;

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

void Runner::Impl::begin(runtime::SpanSlot& slot, Context& context, telemetry::LabelIndex label,
                         const char* name) const {
    context.span().start(label, name);
    slot.enter(&context.span());
}

void Runner::Impl::end(runtime::SpanSlot& slot, Context& context, bool failed) const {
    runtime::settle_slice();
    context.span().failed = failed;
    registry.shard().record(context.span(), Loops::cpu_share());
    slot.enter(nullptr);
}

namespace {

// A quarter of the places at a time: a claim for each single one would be a transaction a job.
bool enough(std::size_t free, std::size_t all) { return free >= std::max<std::size_t>(1, all / 4); }

std::size_t room_in(const admission::Bulkhead& bulkhead) {
    return bulkhead.options().concurrency_max - bulkhead.in_use();
}

}  // namespace

bool Runner::Impl::has_room(const std::string& module) const {
    const auto found = bulkheads.find(module);
    return found == bulkheads.end() ||
           enough(room_in(*found->second), found->second->options().concurrency_max);
}

// Kinds whose modules have room, and no more jobs than fit if all are of one of them.
Claimable Runner::Impl::claimable() const {
    Claimable wanted;
    {
        const std::lock_guard lock(mutex);
        if (finished.size() >= options.running_max ||
            !enough(free_seats.size(), options.running_max))
            return wanted;
        wanted.count = std::min(free_seats.size(), options.claim_batch_max);
    }
    std::vector<std::string> names;
    for (const auto& kind : queue.kinds()) {
        if (!has_room(kind->module)) continue;
        names.push_back(kind->name);
        const auto bulkhead = bulkheads.find(kind->module);
        if (bulkhead != bulkheads.end())
            wanted.count = std::min(wanted.count, room_in(*bulkhead->second));
    }
    if (names.empty()) wanted.count = 0;
    wanted.kinds_json = to_json(names);
    return wanted;
}

void Runner::Impl::cancel_running() {
    const std::lock_guard lock(mutex);
    for (const auto& seat : seats) {
        if (seat->context != nullptr) seat->context->cancel();
    }
}

// Claims as long as there are seats and due jobs; then sleeps until woken, until the next job is
// due or until the fallback poll.
Task<void> Runner::Impl::dispatch() {
    while (!stopping) {
        wake.reset();
        milliseconds pause = options.poll_every;
        const std::int64_t owner = process;
        Claimable wanted;
        if (owner != 0 && owner == strays_of && strays_next.passed())
            co_await hand_back_strays(owner);
        if (owner != 0) wanted = claimable();
        if (wanted.count > 0) {
            auto rows = co_await claim(owner, wanted);
            if (stopping) break;  // what was claimed meanwhile is handed back when signing off
            if (process != owner) {
                watch_for_strays(owner);  // unless they are rescued with the rest of its jobs
                continue;
            }
            const bool none = rows.empty();
            const bool more = rows.size() == wanted.count;
            for (auto& row : rows) start_job(std::move(row), owner);
            if (more) continue;
            pause = co_await pause_before_next_claim(wanted.kinds_json, none);
        }
        if (stopping) break;
        const Deadline until = Deadline::in(pause);
        co_await wake.wait(until);
    }
}

Task<std::vector<internal::ClaimedRow>> Runner::Impl::claim(std::int64_t owner,
                                                            const Claimable& wanted) {
    Context context(services, Deadline::in(control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    internal::ClaimedRows claimed;
    try {
        claimed = co_await context.write(internal::claim, owner, wanted.kinds_json,
                                         static_cast<std::int64_t>(wanted.count));
    } catch (const Error& error) {
        failed = true;
        watch_for_strays(owner);
        log::warning("jobs could not be claimed", {{"error", error.message()}});
    }
    end(*claim_slot, context, failed);
    if (failed) {
        const Deadline later = Deadline::in(failure_pause);
        co_await runtime::sleep_until(later);
    }
    co_return std::move(claimed.rows);
}

std::string Runner::Impl::known_jobs(std::int64_t owner) const {
    std::vector<std::int64_t> known;
    const std::lock_guard lock(mutex);
    for (const auto& [holder, job] : held) {
        if (holder == owner) known.push_back(job);
    }
    return to_json(known);
}

void Runner::Impl::watch_for_strays(std::int64_t owner) {
    strays_of = owner;
    strays_until = Deadline::in(stray_watch);
    strays_next = Deadline::in(milliseconds(0));
}

// A lost claim's commit may have happened, or still happen, and nobody else takes from who lives.
Task<void> Runner::Impl::hand_back_strays(std::int64_t owner) {
    const std::string known = known_jobs(owner);
    const bool is_last = strays_until.passed();
    Context context(services, Deadline::in(control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    try {
        const auto strays = co_await context.write(internal::hand_back_strays, owner, known);
        if (strays > 0)
            log::warning("jobs of a claim whose answer was lost are handed back",
                         {{"jobs", strays}});
        strays_next = Deadline::in(options.poll_every);
        if (is_last) strays_of = 0;
    } catch (const Error& error) {
        failed = true;
        log::debug("strays could not be handed back", {{"error", error.message()}});
    }
    end(*claim_slot, context, failed);
}

// Of jobs that are due and yet cannot be claimed another process holds the rows, or this one has
// been declared dead: neither ends sooner for being asked every millisecond.
Task<milliseconds> Runner::Impl::pause_before_next_claim(const std::string& kinds_json,
                                                         bool claimed_none) {
    milliseconds pause = options.poll_every;
    {
        const std::lock_guard lock(mutex);
        pause = milliseconds(static_cast<std::int64_t>(static_cast<double>(pause.count()) *
                                                       (0.75 + 0.5 * random.uniform())));
    }
    Context context(services, Deadline::in(control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    try {
        Reader reader = context.reader();
        const auto due_in = co_await reader.maybe<std::int64_t>(sql::next_due_in, kinds_json);
        if (due_in) {
            const milliseconds due((*due_in + 999) / 1'000);
            pause = std::min(
                pause,
                std::max(due, due.count() <= 0 && claimed_none ? refused_pause : milliseconds(1)));
        }
    } catch (const Error& error) {
        failed = true;
        log::warning("the next due job could not be read", {{"error", error.message()}});
    }
    end(*claim_slot, context, failed);
    co_return pause;
}

void Runner::Impl::start_job(internal::ClaimedRow row, std::int64_t owner) {
    JobInfo info;
    info.lease = {row.id, owner, row.fence};
    info.kind = std::move(row.kind);
    info.idempotency_key = std::move(row.idempotency_key);
    info.arguments = std::move(row.arguments);
    info.cause = std::move(row.cause);
    info.attempt = row.attempt;
    info.crashes = row.crashes;
    info.enqueued_at = row.enqueued_at;
    const Kind* kind = queue.find(info.kind);
    LOADSTONE_ASSERT(kind != nullptr, "claims are for known kinds");
    std::optional<admission::Permit> permit;
    if (const auto bulkhead = bulkheads.find(kind->module); bulkhead != bulkheads.end()) {
        permit = bulkhead->second->try_enter();
        LOADSTONE_ASSERT(permit, "claims are for modules that have room");
    }
    Seat* seat = nullptr;
    {
        const std::lock_guard lock(mutex);
        LOADSTONE_ASSERT(!free_seats.empty(), "claims are for free seats");
        seat = free_seats.back();
        free_seats.pop_back();
        held.emplace(owner, info.lease.job);
    }
    jobs.spawn(loops.span_executor(seat->loop, seat->slot),
               run(seat, kind, std::move(info), std::move(permit)), seat->shared_from_this());
}

Task<void> Runner::Impl::run(Seat* seat, const Kind* kind, JobInfo info,
                             std::optional<admission::Permit> permit) {
    Context context(services, Deadline::in(kind->policy.timeout));
    context.set_module(kind->module);
    begin(seat->slot, context, kind->label, kind->label_name.c_str());
    {
        const std::lock_guard lock(mutex);
        seat->context = &context;
        // Whoever cancelled all did not see this one.
        if (giving_up || process != info.lease.process) context.cancel();
    }
    internal::Finished outcome;
    outcome.lease = info.lease;
    std::optional<Error> error;
    try {
        if (context.is_cancelled()) context.throw_if_done("a job that has not begun");
        co_await kind->run(context, info);
        outcome.done = true;
    } catch (...) {
        error = error_from_exception(std::current_exception());
    }
    {
        const std::lock_guard lock(mutex);
        seat->context = nullptr;
        if (error) outcome.decision = decide(kind->policy, *error, info.attempt, random);
    }
    if (error) {
        outcome.error = fmt::format("{}: {}", to_string(error->code()), error->message());
        const auto verdict = outcome.decision.verdict;
        log::write(verdict == Verdict::bury ? log::Level::error : log::Level::warning,
                   verdict == Verdict::bury ? "job buried" : "job put off",
                   {{"kind", kind->name},
                    {"job", info.lease.job},
                    {"attempt", info.attempt},
                    {"error", outcome.error},
                    {"next_in_ms", outcome.decision.delay.count()}});
    }
    end(seat->slot, context, error.has_value());
    permit.reset();
    finish(seat, kind, std::move(outcome));
}

void Runner::Impl::finish(Seat* seat, const Kind* kind, internal::Finished outcome) {
    bool worth_a_claim = has_room(kind->module);
    {
        const std::lock_guard lock(mutex);
        finished.push_back(std::move(outcome));
        free_seats.push_back(seat);
        worth_a_claim = worth_a_claim && enough(free_seats.size(), options.running_max);
    }
    finished_event.set();
    if (worth_a_claim) wake.set();
}

// Outcomes that have gathered are one transaction. While the database refuses, they wait here, and
// claims stop when running_max of them do.
Task<void> Runner::Impl::record_outcomes() {
    for (;;) {
        finished_event.reset();
        std::vector<internal::Finished> batch;
        {
            const std::lock_guard lock(mutex);
            // A batch is of one lease holder: this process may have signed on anew in between.
            while (
                !finished.empty() && batch.size() < record_batch_max &&
                (batch.empty() || finished.front().lease.process == batch.front().lease.process)) {
                batch.push_back(std::move(finished.front()));
                finished.pop_front();
            }
        }
        if (batch.empty()) {
            if (recording_ends) co_return;
            const Deadline until = Deadline::in(options.poll_every);
            co_await finished_event.wait(until);
            continue;
        }
        Context context(services, Deadline::in(control_deadline));
        begin(*record_slot, context, record_label, "loadstone.record");
        bool failed = false;
        try {
            const auto owner = batch.front().lease.process;
            const auto recorded = co_await context.write(internal::record, owner, batch);
            retried.add(recorded.retried);
            snoozed.add(recorded.snoozed);
            buried.add(recorded.buried);
            leases_lost.add(recorded.lost);
        } catch (const Error& error) {
            failed = true;
            log::warning("finished jobs could not be recorded",
                         {{"jobs", batch.size()}, {"error", error.message()}});
        }
        end(*record_slot, context, failed);
        if (failed) {
            if (recording_ends) co_return;  // they are handed back and run again
            {
                const std::lock_guard lock(mutex);
                for (auto job = batch.rbegin(); job != batch.rend(); ++job)
                    finished.push_front(std::move(*job));
            }
            const Deadline later = Deadline::in(failure_pause);
            co_await runtime::sleep_until(later);
        } else {
            {
                const std::lock_guard lock(mutex);
                for (const auto& job : batch) held.erase({job.lease.process, job.lease.job});
            }
            wake.set();
        }
    }
}

Task<void> Runner::Impl::keep_lease() {
    auto renewed_at = Deadline::Clock::now();
    std::int64_t previous = 0;  // the lease that could not be renewed in time
    const auto bound = options.dead_after - 2 * options.heartbeat_every;
    while (!closing) {
        // An attempt ends with the lease, so that its end is noticed when it comes and not after.
        Deadline until = Deadline::in(options.heartbeat_every * 2);
        if (process != 0) until = until.sooner(Deadline(renewed_at + bound));
        Context context(services, until);
        begin(*lease_slot, context, heartbeat_label, "loadstone.heartbeat");
        bool failed = false;
        const auto began = Deadline::Clock::now();
        try {
            if (previous != 0) {
                // If nobody has declared it dead, its jobs are still this process's to record.
                const bool is_ours = co_await context.write(internal::renew_heartbeat, previous);
                if (is_ours) process = previous;
                previous = 0;
                wake.set();
            }
            if (process == 0) {
                process = co_await context.write(internal::register_process, process_name());
                renewed_at = began;
                wake.set();
            } else if (co_await context.write(internal::renew_heartbeat, process.load())) {
                renewed_at = began;
            } else {
                log::error(
                    "this process was declared dead; its jobs are stopped and it signs on anew",
                    {{"process", process.load()}});
                process = 0;
                cancel_running();
                end(*lease_slot, context, true);
                continue;
            }
            const std::int64_t dead_us = std::chrono::microseconds(options.dead_after).count();
            const auto taken =
                co_await context.write(internal::rescue, dead_us, options.crashes_max);
            buried.add(taken.buried);
            rescued.add(taken.rescued);
            if (taken.rescued > 0) {
                log::warning("jobs taken from processes that died", {{"jobs", taken.rescued}});
                wake.set();
            }
            if (taken.buried > 0) {
                log::error("jobs buried: their processes died each time they ran",
                           {{"jobs", taken.buried}});
            }
        } catch (const Error& error) {
            failed = true;
            log::warning("heartbeat failed", {{"error", error.message()}});
        }
        end(*lease_slot, context, failed);
        if (process != 0 && Deadline::Clock::now() - renewed_at >= bound) {
            log::error("the lease could not be renewed in time; running jobs are stopped",
                       {{"process", process.load()}});
            previous = process.exchange(0);
            cancel_running();
        }
        const Deadline next = Deadline::in(failed ? std::min(failure_pause, options.heartbeat_every)
                                                  : options.heartbeat_every);
        co_await closing_event.wait(next);
    }
    if (process == 0) process = previous;  // what is still under it is handed back
    co_await sign_off();
}

Task<void> Runner::Impl::sign_off() {
    if (process == 0) co_return;
    Context context(services, Deadline::in(options.heartbeat_every));
    begin(*lease_slot, context, heartbeat_label, "loadstone.heartbeat");
    bool failed = false;
    try {
        co_await context.write(internal::sign_off, process.load());
        queue.wake();
    } catch (const Error& error) {
        failed = true;
        log::warning("signing off failed; unfinished jobs are rescued by other processes",
                     {{"error", error.message()}});
    }
    end(*lease_slot, context, failed);
}

Runner::Runner(const RunnerOptions& options, Queue& queue, JobBulkheads bulkheads,
               runtime::Loops& loops, const runtime::Services& services,
               telemetry::Registry& registry)
    : impl_(std::make_shared<Impl>(options, queue, std::move(bulkheads), loops, services,
                                   registry)) {}

Runner::~Runner() = default;

void Runner::start() {
    Impl& impl = *impl_;
    impl.queue.on_wake([&impl] { impl.wake.set(); });
    impl.queue.database().listen(wake_channel, [&impl] { impl.wake.set(); });
    const auto spawn = [&impl](runtime::TaskScope& scope, Task<void> task,
                               const std::shared_ptr<runtime::SpanSlot>& slot) {
        scope.spawn(impl.loops.span_executor(0, *slot), std::move(task), slot);
    };
    spawn(impl.lease, impl.keep_lease(), impl.lease_slot);
    spawn(impl.records, impl.record_outcomes(), impl.record_slot);
    spawn(impl.claims, impl.dispatch(), impl.claim_slot);
}

void Runner::stop_claiming() {
    impl_->stopping = true;
    impl_->wake.set();
}

// In the order in which they need each other: a claim that came after signing off would leave jobs
// to a process that is gone, and an outcome that came after it would be lost.
bool Runner::stop(runtime::Deadline deadline) {
    Impl& impl = *impl_;
    stop_claiming();
    bool ended = impl.claims.join_blocking(Deadline::in(2 * control_deadline));
    impl.jobs.close();
    if (!impl.jobs.join_blocking(deadline)) {
        impl.giving_up = true;
        impl.cancel_running();
        ended = impl.jobs.join_blocking(Deadline::in(cancel_grace)) && ended;
    }
    impl.recording_ends = true;
    impl.finished_event.set();
    ended = impl.records.join_blocking(Deadline::in(2 * control_deadline)) && ended;
    impl.closing = true;
    impl.closing_event.set();
    ended = impl.lease.join_blocking(Deadline::in(2 * control_deadline)) && ended;
    impl.queue.on_wake(nullptr);
    return ended;
}

}  // namespace loadstone::jobs
