#include "loadstone/jobs/runner.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

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
constexpr milliseconds refused_pause{20};         // after a claim got none of the jobs that are due
constexpr std::size_t record_batch_max = 500;

std::string process_name() {
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    return fmt::format("{}:{}", host, getpid());
}

}  // namespace

// A place in which one job runs at a time. It belongs to one loop, so that a chain of slices that
// is ending and the next one that begins never touch the slot from two threads.
struct Seat {
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
            seats[i] = std::make_unique<Seat>();
            seats[i]->loop = static_cast<int>(i) % loops.size();
            free_seats.push_back(seats[i].get());
        }
        std::vector<std::string> names;
        for (const auto& kind : queue.kinds()) names.push_back(kind->name);
        kinds_json = to_json(names);
        metrics.gauge(this, "loadstone_jobs_running", "", "Jobs that run in this process", [this] {
            const std::lock_guard lock(mutex);
            return static_cast<double>(options.running_max - free_seats.size());
        });
    }
    ~Impl() { registry.remove_gauges(this); }

    Task<void> dispatch();
    Task<std::vector<internal::ClaimedRow>> claim(std::int64_t owner, std::size_t count);
    Task<milliseconds> pause_before_next_claim(bool claimed_none);
    void start_job(internal::ClaimedRow row, std::int64_t owner);
    Task<void> run(Seat* seat, const Kind* kind, JobInfo info);
    void finish(Seat* seat, internal::Finished outcome);
    Task<void> record_outcomes();
    Task<void> keep_lease();
    Task<void> sign_off();
    void begin(Context& context, telemetry::LabelIndex label, const char* name) const;
    void end(Context& context, bool failed) const;
    std::size_t free_count() const;
    void cancel_running();

    const RunnerOptions options;
    Queue& queue;
    JobBulkheads bulkheads;
    Loops& loops;
    const runtime::Services& services;
    telemetry::Registry& registry;
    Random random;  // under mutex
    std::string kinds_json;

    const telemetry::LabelIndex claim_label, record_label, heartbeat_label;
    telemetry::Counter &retried, &snoozed, &buried, &rescued, &leases_lost;

    std::atomic<bool> stopping{false};        // claims no more
    std::atomic<bool> giving_up{false};       // running jobs are cancelled
    std::atomic<bool> recording_ends{false};  // all jobs have ended
    std::atomic<bool> closing{false};         // all outcomes are recorded: sign off
    std::atomic<std::int64_t> process{0};     // 0: no lease
    runtime::Event wake, finished_event, closing_event, registered;
    runtime::TaskScope claims{"job claims"}, jobs{"jobs"}, records{"job records"},
        lease{"job lease"};

    mutable std::mutex mutex;
    std::vector<std::unique_ptr<Seat>> seats;
    std::vector<Seat*> free_seats;
    std::deque<internal::Finished>
        finished;  // at most 2 * running_max: claims wait for it to be recorded
};

void Runner::Impl::begin(Context& context, telemetry::LabelIndex label, const char* name) const {
    context.span().start(label, name);
}

void Runner::Impl::end(Context& context, bool failed) const {
    context.span().failed = failed;
    registry.shard().record(context.span(), Loops::cpu_share());
}

std::size_t Runner::Impl::free_count() const {
    const std::lock_guard lock(mutex);
    return finished.size() >= options.running_max ? 0 : free_seats.size();
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
        // A quarter of the seats at a time: a claim for each single seat would be a transaction a
        // job.
        const std::size_t enough = std::max<std::size_t>(1, options.running_max / 4);
        const std::int64_t owner = process;
        const std::size_t free = owner != 0 ? free_count() : 0;
        if (free >= enough) {
            const std::size_t count = std::min(free, options.claim_batch_max);
            auto rows = co_await claim(owner, count);
            if (stopping) break;  // what was claimed meanwhile is handed back when signing off
            if (process != owner)
                continue;  // the lease ended: they are rescued with the rest of its jobs
            const bool none = rows.empty();
            const bool more = rows.size() == count;
            for (auto& row : rows) start_job(std::move(row), owner);
            if (more) continue;
            pause = co_await pause_before_next_claim(none);
        }
        if (stopping) break;
        const Deadline until = Deadline::in(pause);
        co_await wake.wait(until);
    }
}

Task<std::vector<internal::ClaimedRow>> Runner::Impl::claim(std::int64_t owner, std::size_t count) {
    Context context(services, Deadline::in(control_deadline));
    begin(context, claim_label, "loadstone.claim");
    bool failed = false;
    internal::ClaimedRows claimed;
    try {
        claimed = co_await context.write(internal::claim, owner, kinds_json,
                                         static_cast<std::int64_t>(count));
    } catch (const Error& error) {
        failed = true;
        log::warning("jobs could not be claimed", {{"error", error.message()}});
    }
    end(context, failed);
    if (failed) {
        const Deadline later = Deadline::in(failure_pause);
        co_await runtime::sleep_until(later);
    }
    co_return std::move(claimed.rows);
}

// Of jobs that are due and yet cannot be claimed another process holds the rows, or this one has
// been declared dead: neither ends sooner for being asked every millisecond.
Task<milliseconds> Runner::Impl::pause_before_next_claim(bool claimed_none) {
    milliseconds pause = options.poll_every;
    {
        const std::lock_guard lock(mutex);
        pause = milliseconds(static_cast<std::int64_t>(static_cast<double>(pause.count()) *
                                                       (0.75 + 0.5 * random.uniform())));
    }
    Context context(services, Deadline::in(control_deadline));
    begin(context, claim_label, "loadstone.claim");
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
    end(context, failed);
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
    Seat* seat = nullptr;
    {
        const std::lock_guard lock(mutex);
        LOADSTONE_ASSERT(!free_seats.empty() && kind != nullptr,
                         "claims are for free seats and known kinds");
        seat = free_seats.back();
        free_seats.pop_back();
    }
    jobs.spawn(loops.span_executor(seat->loop, seat->slot), run(seat, kind, std::move(info)));
}

Task<void> Runner::Impl::run(Seat* seat, const Kind* kind, JobInfo info) {
    Context context(services, Deadline::in(kind->policy.timeout));
    context.set_module(kind->module);
    begin(context, kind->label, kind->label_name.c_str());
    seat->slot.enter(&context.span());
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
        context.throw_if_done("a job that has not begun");
        const auto bulkhead = bulkheads.find(kind->module);
        std::optional<admission::Permit> permit;
        if (bulkhead != bulkheads.end()) permit.emplace(co_await bulkhead->second->enter(context));
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
        (verdict == Verdict::retry ? retried : verdict == Verdict::snooze ? snoozed : buried).add();
        log::write(verdict == Verdict::bury ? log::Level::error : log::Level::warning,
                   verdict == Verdict::bury ? "job buried" : "job put off",
                   {{"kind", kind->name},
                    {"job", info.lease.job},
                    {"attempt", info.attempt},
                    {"error", outcome.error},
                    {"next_in_ms", outcome.decision.delay.count()}});
    }
    runtime::settle_slice();
    end(context, error.has_value());
    seat->slot.enter(nullptr);
    finish(seat, std::move(outcome));
}

void Runner::Impl::finish(Seat* seat, internal::Finished outcome) {
    bool worth_a_claim = false;
    {
        const std::lock_guard lock(mutex);
        finished.push_back(std::move(outcome));
        free_seats.push_back(seat);
        worth_a_claim = free_seats.size() * 4 >= options.running_max;
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
        begin(context, record_label, "loadstone.record");
        bool failed = false;
        try {
            const auto owner = batch.front().lease.process;
            const auto lost = co_await context.write(internal::record, owner, batch);
            leases_lost.add(static_cast<std::uint64_t>(lost));
        } catch (const Error& error) {
            failed = true;
            log::warning("finished jobs could not be recorded",
                         {{"jobs", batch.size()}, {"error", error.message()}});
        }
        end(context, failed);
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
            wake.set();
        }
    }
}

Task<void> Runner::Impl::keep_lease() {
    auto renewed_at = Deadline::Clock::now();
    const auto bound = options.dead_after - 2 * options.heartbeat_every;
    while (!closing) {
        // An attempt ends with the lease, so that its end is noticed when it comes and not after.
        Deadline until = Deadline::in(options.heartbeat_every * 2);
        if (process != 0) until = until.sooner(Deadline(renewed_at + bound));
        Context context(services, until);
        begin(context, heartbeat_label, "loadstone.heartbeat");
        bool failed = false;
        const auto began = Deadline::Clock::now();
        try {
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
                end(context, true);
                continue;
            }
            const std::int64_t dead_us = std::chrono::microseconds(options.dead_after).count();
            const auto taken =
                co_await context.write(internal::rescue, dead_us, options.crashes_max);
            if (taken > 0) {
                rescued.add(static_cast<std::uint64_t>(taken));
                log::warning("jobs taken from processes that died", {{"jobs", taken}});
                wake.set();
            }
        } catch (const Error& error) {
            failed = true;
            log::warning("heartbeat failed", {{"error", error.message()}});
        }
        end(context, failed);
        if (process != 0 && Deadline::Clock::now() - renewed_at >= bound) {
            log::error("the lease could not be renewed in time; running jobs are stopped",
                       {{"process", process.load()}});
            process = 0;
            cancel_running();
        }
        const Deadline next = Deadline::in(failed ? std::min(failure_pause, options.heartbeat_every)
                                                  : options.heartbeat_every);
        co_await closing_event.wait(next);
    }
    co_await sign_off();
}

Task<void> Runner::Impl::sign_off() {
    if (process == 0) co_return;
    Context context(services, Deadline::in(options.heartbeat_every));
    begin(context, heartbeat_label, "loadstone.heartbeat");
    bool failed = false;
    try {
        co_await context.write(internal::sign_off, process.load());
        queue.wake();
    } catch (const Error& error) {
        failed = true;
        log::warning("signing off failed; unfinished jobs are rescued by other processes",
                     {{"error", error.message()}});
    }
    end(context, failed);
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
    const auto executor = impl.loops.executor(0);
    impl.lease.spawn(executor, impl.keep_lease());
    impl.records.spawn(executor, impl.record_outcomes());
    impl.claims.spawn(executor, impl.dispatch());
}

// In the order in which they need each other: a claim that came after signing off would leave jobs
// to a process that is gone, and an outcome that came after it would be lost.
bool Runner::stop(runtime::Deadline deadline) {
    Impl& impl = *impl_;
    impl.stopping = true;
    impl.wake.set();
    bool ended = impl.claims.join_blocking(Deadline::in(2 * control_deadline));
    impl.jobs.close();
    if (!impl.jobs.join_blocking(deadline)) {
        impl.giving_up = true;
        impl.cancel_running();
        ended = impl.jobs.join_blocking(Deadline::in(milliseconds(2'000))) && ended;
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
