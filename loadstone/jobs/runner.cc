#include "loadstone/jobs/runner.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/ends.h"
#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

namespace {

using runtime::Loops;
using std::chrono::milliseconds;

// Jobs that begin before a loop looks at requests and at the database's answers.
constexpr std::size_t begun_at_once = 32;
// A process of an older program looks so much later at a job whose arguments it does not know.
constexpr milliseconds newer_version_wait{5'000};
constexpr milliseconds cancel_grace = recording_grace + milliseconds(1'000);

// Places that all queues may take together: those of a module its budget, and without one each all.
std::size_t budgets_of(const Queue& queue, const JobBulkheads& bulkheads, std::size_t places_max) {
    std::set<std::string> counted;
    std::size_t sum = 0;
    for (const std::string& module : queue.queue_modules()) {
        const auto found = bulkheads.find(module);
        if (found == bulkheads.end()) {
            sum += places_max;
        } else if (counted.insert(module).second) {
            sum += found->second->options().concurrency_max;
        }
    }
    return sum;
}

}  // namespace

Runner::Impl::Impl(const RunnerOptions& runner_options, Queue& jobs_queue,
                   JobBulkheads job_bulkheads, runtime::Loops& event_loops,
                   const runtime::Services& server_services, telemetry::Registry& metrics)
    : options(runner_options),
      queue(jobs_queue),
      bulkheads(std::move(job_bulkheads)),
      loops(event_loops),
      services(server_services),
      lease_services(server_services),
      registry(metrics),
      random(options.seed != 0 ? options.seed
                               : static_cast<std::uint64_t>(Timestamp::now().micros)),
      claim_label(metrics.add_label(telemetry::LabelKind::job, "loadstone.claim", "loadstone")),
      record_label(metrics.add_label(telemetry::LabelKind::job, "loadstone.record", "loadstone")),
      heartbeat_label(
          metrics.add_label(telemetry::LabelKind::job, "loadstone.heartbeat", "loadstone")),
      fire_label(metrics.add_label(telemetry::LabelKind::job, "loadstone.fire", "loadstone")),
      rescued(metrics.counter("loadstone_jobs_rescued_total", "",
                              "Jobs taken from processes that died")),
      leases_lost(metrics.counter("loadstone_jobs_leases_lost_total", "",
                                  "Runs whose outcome came too late")),
      handed_back(metrics.counter("loadstone_jobs_handed_back_total", "",
                                  "Jobs of claims whose answers were lost or came too late")),
      expired_total(metrics.counter("loadstone_jobs_expired_total", "",
                                    "Jobs dropped because they had waited too long")),
      cancelled_total(metrics.counter("loadstone_jobs_cancelled_total", "",
                                      "Jobs dropped while they ran, as asked for")),
      fired_total(metrics.counter("loadstone_jobs_fired_total", "", "Jobs enqueued by a schedule")),
      loans_total(metrics.counter("loadstone_jobs_limit_loans_total", "",
                                  "Times that a limit lent places or starts")),
      covered_total(metrics.counter("loadstone_jobs_claims_lent_total", "",
                                    "Claims of limited jobs that asked no limit")),
      lanes(jobs_queue.kinds(), jobs_queue.database().dialect() == store::Dialect::sqlite),
      has_keyed(std::ranges::any_of(jobs_queue.kinds(),
                                    [](const auto& kind) { return kind->is_keyed(); })),
      is_contended(budgets_of(queue, bulkheads, options.running_max) > options.running_max),
      loans(options.lend_places_min),
      limits(std::make_shared<const internal::LimitBook>(jobs_queue.limits())) {
    lease_services.add(lease_transactions);
    running_of.resize(queue.queue_modules().size());
    for (const auto& kind : queue.kinds()) limited_of[kind->queue] = kind->meters.limited;
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
    metrics.gauge(this, "loadstone_jobs_outcomes_aside", "",
                  "Outcomes that wait for a transaction to let go of the jobs behind them", [this] {
                      const std::lock_guard lock(mutex);
                      return static_cast<double>(outcomes.aside());
                  });
    metrics.gauge(this, "loadstone_jobs_limit_places_lent", "",
                  "Places of limits that this process has in advance",
                  [this] { return static_cast<double>(loans.places()); });
}

void Runner::Impl::begin(runtime::SpanSlot& slot, Context& context, telemetry::LabelIndex label,
                         const char* name) const {
    context.span().start(label, name);
    context.reading().freshness = latest;  // of what is being claimed, paused, scheduled
    slot.enter(&context.span());
}

void Runner::Impl::end(runtime::SpanSlot& slot, Context& context, bool failed) const {
    runtime::settle_slice();
    context.span().failed = failed;
    registry.shard().record(context.span(), Loops::cpu_share());
    slot.enter(nullptr);
}

void Runner::Impl::cancel_running() {
    const std::lock_guard lock(mutex);
    for (const auto& seat : seats) {
        if (seat->context != nullptr) seat->context->cancel();
    }
}

Seated Runner::Impl::seat(internal::ClaimedJob job, const internal::Batch& batch,
                          std::int64_t owner) {
    Seated seated;
    seated.kind = queue.find(job.kind);
    LOADSTONE_ASSERT(seated.kind != nullptr, "claims are for known kinds");
    seated.lease = {job.id, owner, batch.id()};
    seated.claimed_at = batch.claimed_at();
    seated.position = claim_position;
    const auto bulkhead = bulkheads.find(seated.kind->module);
    if (bulkhead != bulkheads.end()) {
        seated.permit = bulkhead->second->try_enter();
        LOADSTONE_ASSERT(seated.permit, "claims are for modules that have room");
    }
    seated.job = std::move(job);
    const std::lock_guard lock(mutex);
    LOADSTONE_ASSERT(!free_seats.empty(), "claims are for free seats");
    seated.seat = free_seats.back();
    free_seats.pop_back();
    seated.seat->queue_number = seated.kind->queue_number;
    ++running_of[seated.seat->queue_number];
    const std::int64_t waited_us = std::max<std::int64_t>(0, seated.claimed_at - seated.job.run_at);
    seated.kind->meters.wait->record(1'000 * static_cast<std::uint64_t>(waited_us));
    return seated;
}

Task<void> Runner::Impl::start(std::vector<Seated> seated) {
    std::size_t begun = 0;
    internal::ExtraReader extras;
    for (Seated& each : seated) {
        if (++begun % begun_at_once == 0) co_await runtime::yield();
        Seat* const seat = each.seat;
        const bool was_expired = each.job.has_expired;
        internal::SharedJob job = internal::held_job(std::move(each.job), extras);
        const internal::StoredJob& stored = job->stored;
        const internal::Extra& extra = *job->extra;
        const bool has_expired =
            was_expired || internal::has_expired(stored, extra, each.claimed_at);
        const bool is_newer = extra.version > each.kind->version;
        if (has_expired || !job->is_readable || is_newer) {
            if (has_expired) expired_total.add(1);
            each.permit.reset();
            internal::Finished outcome;
            outcome.lease = each.lease;
            outcome.is_dropped = has_expired;
            if (is_newer) {
                // It waits for a program that knows them.
                outcome.decision = {Verdict::snooze, newer_version_wait};
                outcome.error =
                    fmt::format("its arguments are of version {}, and this process knows {}",
                                extra.version, each.kind->version);
            } else {
                outcome.decision.verdict = Verdict::bury;
                outcome.error = internal::unreadable_extra;
            }
            outcome.job = std::move(job);
            finish(seat, std::move(outcome));
            continue;
        }
        JobInfo info;
        info.lease = each.lease;
        info.kind = stored.kind;
        info.idempotency_key = stored.idempotency_key.empty()
                                   ? fmt::format("{}-{}", stored.id, stored.enqueued_at)
                                   : stored.idempotency_key;
        info.arguments = stored.arguments;
        info.version = extra.version;
        info.cause = stored.cause;
        info.attempt = stored.attempt + 1;
        info.crashes = stored.crashes;
        info.enqueued_at = {stored.enqueued_at};
        jobs.spawn(loops.span_executor(seat->loop, seat->slot),
                   run(seat, each.kind, std::move(info), std::move(job), std::move(each.permit),
                       each.position),
                   seat->shared_from_this());
    }
}

Task<void> Runner::Impl::run(Seat* seat, const Kind* kind, JobInfo info, internal::SharedJob job,
                             std::optional<admission::Permit> permit, runtime::Position position) {
    Context context(services, Deadline::in(kind->policy.timeout));
    context.set_module(kind->module);
    begin(seat->slot, context, kind->label, kind->label_name.c_str());
    context.reading().freshness = own_writes;
    context.reading().begin_at(position);
    seat->notes.begin(*kind);
    info.lease.notes = &seat->notes;
    {
        const std::lock_guard lock(mutex);
        seat->context = &context;
        seat->job = job;
        seat->lease = info.lease;
        seat->cancel_asked = cancel_wanted.contains(info.lease.job);
        seat->abandon_at =
            seat->cancel_asked ? Deadline::in(internal::abandon_after) : Deadline::unbounded();
        seat->is_abandoned = false;
        // Whoever cancelled all did not see this one.
        if (giving_up || process != info.lease.process || seat->cancel_asked) context.cancel();
    }
    internal::Finished outcome;
    outcome.lease = info.lease;
    bool was_left = false;  // its job has ended without it, which was counted then
    std::optional<Error> error;
    try {
        if (context.is_cancelled()) context.throw_if_done("a job that has not begun");
        if (info.version < kind->version && kind->upcast)
            info.arguments = kind->upcast(info.version, std::move(info.arguments));
        if (kind->unique_while == UniqueWhile::waits && job->extra->gives_unique_back)
            co_await context.write(internal::give_unique, job->extra->unique, info.lease.job);
        co_await kind->run(context, info);
        outcome.done = true;
    } catch (...) {
        error = error_from_exception(std::current_exception());
    }
    {
        const std::lock_guard lock(mutex);
        seat->context = nullptr;
        seat->job = nullptr;
        was_left = seat->is_abandoned;
        if (error) outcome.decision = decide(kind->policy, *error, info.attempt, random);
        outcome.is_dropped = error && seat->cancel_asked;
        outcome.was_noted = seat->notes.is_stored() || seat->cancel_asked;
    }
    outcome.result = seat->notes.result();  // it may have completed itself before it failed
    if (was_left) {
        log::info("a cancelled job's handler has ended after it",
                  {{"kind", kind->name}, {"job", info.lease.job}});
    } else if (outcome.is_dropped) {
        cancelled_total.add(1);
        log::info("job cancelled", {{"kind", kind->name}, {"job", info.lease.job}});
    } else if (error) {
        outcome.error = fmt::format("{}: {}", to_string(error->code()), error->message());
        const auto verdict = outcome.decision.verdict;
        // What is put off for a part of the world that is away is said by who finds it away: a
        // line for each job and each try would drown the rest.
        const auto level = verdict == Verdict::bury    ? log::Level::error
                           : verdict == Verdict::retry ? log::Level::warning
                                                       : log::Level::debug;
        log::write(level, verdict == Verdict::bury ? "job buried" : "job put off",
                   {{"kind", kind->name},
                    {"job", info.lease.job},
                    {"attempt", info.attempt},
                    {"error", outcome.error},
                    {"next_in_ms", outcome.decision.delay.count()}});
    }
    end(seat->slot, context, error.has_value());
    if (error && error->code() == Errc::unavailable && error->retry_after())
        hold(*kind, *error->retry_after());
    permit.reset();
    outcome.job = std::move(job);
    finish(seat, std::move(outcome));
}

void Runner::Impl::finish(Seat* seat, internal::Finished outcome) {
    {
        const std::lock_guard lock(mutex);
        // What is next in this place is not left behind.
        if (!std::exchange(seat->is_abandoned, false)) outcomes.add(std::move(outcome));
        free_seats.push_back(seat);
        --running_of[seat->queue_number];
    }
    finished_event.set();
    if (has_backlog) wake.set();
}

Runner::Runner(const RunnerOptions& options, Queue& queue, JobBulkheads bulkheads,
               runtime::Loops& loops, const runtime::Services& services,
               telemetry::Registry& registry)
    : impl_(std::make_shared<Impl>(options, queue, std::move(bulkheads), loops, services,
                                   registry)) {}

Runner::~Runner() { impl_->queue.on_wake(nullptr); }

void Runner::start() {
    Impl& impl = *impl_;
    const std::size_t queues = impl.queue.queue_modules().size();
    if (impl.is_contended && !impl.options.is_sandbox && queues > impl.options.running_max / 4 + 1)
        log::warning(
            "there are more queues than places kept free for them: one whose jobs take "
            "long can hold up others",
            {{"queues", queues},
             {"jobs_running_max", impl.options.running_max},
             {"kept_free", impl.options.running_max / 4}});
    const auto woken = [&impl] {
        impl.new_jobs = true;
        impl.wake.set();
    };
    impl.queue.on_wake(woken);
    const auto spawn = [&impl](runtime::TaskScope& scope, Task<void> task,
                               const std::shared_ptr<runtime::SpanSlot>& slot) {
        scope.spawn(impl.loops.span_executor(0, *slot), std::move(task), slot);
    };
    spawn(impl.lease, impl.keep_lease(), impl.lease_slot);
    spawn(impl.records, impl.record_outcomes(), impl.record_slot);
    spawn(impl.claims, impl.dispatch(), impl.claim_slot);
}

std::chrono::milliseconds Runner::since_pulling() const {
    const auto since = Deadline::Clock::now() - impl_->pulled_at.load();
    return std::chrono::duration_cast<milliseconds>(since);
}

Runner::SandboxState Runner::sandbox_state() const {
    SandboxState state;
    const auto since = Deadline::Clock::now() - impl_->had_suspects_at.load();
    if (!impl_->has_suspects) state.idle_for = std::chrono::duration_cast<milliseconds>(since);
    state.is_stuck = impl_->is_stuck;
    state.has_run_any = impl_->has_run_any;
    return state;
}

void Runner::look_for_suspects() {
    impl_->may_have_suspects = true;
    impl_->wake.set();
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
    bool ended = impl.claims.join_blocking(Deadline::in(2 * internal::control_deadline));
    impl.jobs.close();
    if (!impl.jobs.join_blocking(deadline)) {
        impl.giving_up = true;
        impl.cancel_running();
        ended = impl.jobs.join_blocking(Deadline::in(cancel_grace)) && ended;
    }
    impl.recording_ends = true;
    impl.finished_event.set();
    ended = impl.records.join_blocking(Deadline::in(2 * internal::control_deadline)) && ended;
    impl.closing = true;
    impl.closing_event.set();
    ended = impl.lease.join_blocking(Deadline::in(2 * internal::control_deadline)) && ended;
    impl.queue.on_wake(nullptr);
    return ended;
}

}  // namespace loadstone::jobs
