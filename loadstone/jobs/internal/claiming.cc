#include <algorithm>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/reserve.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds stray_watch{30'000};  // how long a lost claim may still be committed
constexpr std::int64_t due_batch_max = 500;
constexpr milliseconds due_read_every{10};  // on account of wake-ups
constexpr milliseconds discover_every{5};   // likewise

}  // namespace

// Claims as long as there are seats and ready jobs; then sleeps until woken, until the next job is
// due or until the fallback poll.
Task<void> Runner::Impl::dispatch() {
    while (!stopping) {
        wake.reset();
        poll_if_due();
        if (new_jobs.exchange(false)) {
            lanes.woken(Deadline::Clock::now());
            discover_at = discover_at.sooner(Deadline(discovered + discover_every));
            // Perhaps of later. Read not for each of many wake-ups.
            due_at = due_at.sooner(Deadline(due_read + due_read_every));
        }
        apply_holds();
        apply_freed();
        held_off = false;
        if (may_have_suspects.exchange(false)) {
            lanes.forget_suspects();
            lanes_from = {};
            lanes_at = look_at = Deadline(Deadline::Clock::now());
        }
        const std::int64_t owner = process;
        bool more = false;
        if (owner != 0) {
            if (lease_is_back.exchange(false)) watch_for_strays(owner);
            if (owner == strays_of && strays_next.passed()) co_await hand_back_strays(owner);
            if (look_at.passed()) co_await look_around();
            look_at_schedules();
            if (cursors_at.passed()) co_await advance_cursors();
            if (due_at.passed()) co_await ready_due_jobs();
            if (has_keyed && discover_at.passed()) co_await discover();
            more = co_await claim_and_start(owner);
        }
        look_after_suspects();
        if (stopping) break;
        if (more) continue;
        const Deadline until = Deadline::in(pause_before_next_claim());
        co_await wake.wait(until);
    }
    // What is lent goes back as jobs end, with the heartbeats.
    loans.close_all();
    claims_have_ended = true;
}

std::size_t Runner::Impl::free_places() const {
    const std::lock_guard lock(mutex);
    if (outcomes.size() >= options.running_max) return 0;
    if (outcomes.aside() >= internal::outcomes_aside_max) return 0;
    return std::min(free_seats.size(), options.claim_batch_max);
}

bool Runner::Impl::is_empty() const {
    const std::lock_guard lock(mutex);
    return outcomes.is_empty() && free_seats.size() == seats.size();
}

void Runner::Impl::look_after_suspects() {
    if (!options.is_sandbox) {
        // What is known may be of before the end of a sandbox.
        if (options.need_sandbox && !may_have_suspects &&
            lanes.has_suspects(Deadline::Clock::now()))
            options.need_sandbox();
        return;
    }
    const bool has_looked = process != 0 && !lanes_at.passed();
    const bool has_some = !has_looked || lanes.knows_suspects() || !is_empty();
    if (has_some) had_suspects_at = Deadline::Clock::now();
    has_suspects = has_some;
    const std::lock_guard lock(mutex);
    is_stuck = std::ranges::any_of(seats, &Seat::is_abandoned);
}

std::vector<std::size_t> Runner::Impl::running_by_queue() const {
    const std::lock_guard lock(mutex);
    return running_of;
}

std::vector<internal::LaneClaim> Runner::Impl::lanes_to_claim() {
    // So a death of the process is surely that of the one suspect it holds.
    if (options.is_sandbox && !is_empty()) return {};
    const std::size_t free = free_places();
    const bool small = small_claim_at.passed();
    held_off = free > 0 && !small && !internal::enough(free, options.running_max);
    if (free == 0 || held_off) return {};
    // Queues of one module share its bulkhead: what one is offered the others are not.
    std::map<std::string, std::size_t> offered;
    std::size_t offered_all = 0;
    const std::vector<std::size_t> running = running_by_queue();
    const auto room = [&](const std::string& name) {
        const std::size_t number = queue.number_of(name);
        const bool is_idle = running[number] == 0;
        const std::string& module = queue.module_of(name);
        const auto found = bulkheads.find(module);
        const bool is_bounded = found != bulkheads.end();
        const std::size_t all = is_bounded ? found->second->options().concurrency_max : free;
        const internal::Reserved reserved = internal::reserved_beside(
            number, queue.queue_modules(), running, options.running_max, all);
        std::size_t given = free;
        if (is_contended) {
            const std::size_t left = free - std::min(free, offered_all);
            given = internal::beside_reserved(left, reserved.process, is_idle);
        }
        if (is_bounded) {
            const std::size_t taken = found->second->in_use() + offered[module];
            const std::size_t left =
                internal::beside_reserved(all - std::min(all, taken), reserved.module, is_idle);
            const bool is_enough = small || internal::enough(left, all);
            held_off = held_off || (!is_enough && left > 0);
            given = is_enough ? std::min(given, left) : 0;
            offered[module] += given;
        }
        offered_all += given;
        return given;
    };
    const auto now = internal::Lanes::Clock::now();
    auto wanted = options.is_sandbox ? lanes.suspect_wanted(room, now) : lanes.wanted(room, now);
    if (small && !wanted.empty()) small_claim_at = Deadline::in(internal::small_claim_every);
    return wanted;
}

Task<bool> Runner::Impl::claim_and_start(std::int64_t owner) {
    const auto wanted = std::make_shared<const std::vector<internal::LaneClaim>>(lanes_to_claim());
    bool more = false;
    // All places are taken, or nothing may be claimed: paused, or held up by limits.
    if (wanted->empty()) pulled_at = Deadline::Clock::now();
    if (!wanted->empty()) {
        const auto lent = std::make_shared<internal::ClaimLoans>(loans);
        internal::Claimed claimed = co_await claim(owner, wanted, free_places(), lent);
        // Asked once: jobs that are not started here give nothing of their loans back.
        const bool has_lease = process == owner, is_stopping = stopping;
        settle_claim(*lent, !lent->has_failed && has_lease && !is_stopping);
        // What was claimed meanwhile is handed back when signing off.
        if (is_stopping) co_return false;
        if (!has_lease) {
            watch_for_strays(owner);  // unless they are rescued with the rest of its jobs
            co_return true;
        }
        more = !claimed.lanes.empty();
        lanes.claimed(*wanted, claimed.lanes, internal::Lanes::Clock::now());
        for (std::size_t i = 0; i < claimed.lanes.size(); ++i) {
            const internal::LaneResult& lane = claimed.lanes[i];
            if (lane.is_full || lane.retry_in_us > 0) limited_of.at((*wanted)[i].queue)->add(1);
        }
        for (internal::Batch& batch : claimed.batches) {
            {
                const std::lock_guard lock(mutex);
                outcomes.claimed(owner, batch.id(), batch.jobs.size());
            }
            std::vector<Seated> seated;
            seated.reserve(batch.jobs.size());
            has_run_any = true;
            for (internal::ClaimedJob& job : batch.jobs)
                seated.push_back(seat(std::move(job), batch, owner));
            // Posted: the database has the next claim before they begin.
            claims.spawn(loops.span_executor(0, *start_slot), start(std::move(seated)), start_slot);
        }
    }
    const auto now = Deadline::Clock::now();
    has_backlog = options.is_sandbox ? lanes.has_suspects(now) : lanes.has_backlog(now);
    co_return more&& has_backlog;
}

Task<internal::Claimed> Runner::Impl::claim(std::int64_t owner, internal::LaneClaims wanted,
                                            std::size_t total, internal::SharedClaimLoans lent) {
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    internal::Claimed claimed;
    try {
        claimed = co_await context.write(internal::claim, owner, wanted,
                                         static_cast<std::int64_t>(total), limits_now(), lent);
        claim_position = context.reading().position();
        pulled_at = Deadline::Clock::now();
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        lent->has_failed = true;
        watch_for_strays(owner);
        log::warning("jobs could not be claimed", {{"error", error.message()}});
    }
    end(*claim_slot, context, failed);
    if (failed) {
        const Deadline later = Deadline::in(internal::failure_pause);
        co_await runtime::sleep_until(later);
    }
    co_return claimed;
}

void Runner::Impl::settle_claim(const internal::ClaimLoans& of, bool is_certain) {
    if (!is_certain) {
        loans.failed(of.uses);
        return;
    }
    loans.committed(of.uses);
    if (of.is_limited && !of.has_locked) covered_total.add(1);
    for (const internal::LoanUse& use : of.uses) {
        if (use.was_locked && (use.has_places || use.starts > 0)) loans_total.add(1);
    }
}

// Of the claims' task, or of the lease's when there are no claims any more.
Task<void> Runner::Impl::give_loans_back(Context& context, std::int64_t owner) {
    if (owner == 0) co_return;
    const auto changes = std::make_shared<const std::vector<internal::LoanChange>>(
        loans.surplus(Deadline::Clock::now()));
    if (changes->empty()) co_return;
    try {
        const auto changed =
            co_await context.write(internal::change_loans, owner, limits_now(), changes);
        loans.changed(*changes, process == owner);
        if (!internal::freed_by(changed.released, *limits_now()).empty()) queue.wake();
    } catch (...) {
        loans.changed(*changes, false);
        throw;
    }
}

std::string Runner::Impl::known_batches(std::int64_t owner) const {
    const std::lock_guard lock(mutex);
    return to_json(outcomes.batches_of(owner));
}

void Runner::Impl::watch_for_strays(std::int64_t owner) {
    strays_of = owner;
    strays_until = Deadline::in(stray_watch);
    strays_next = Deadline::in(milliseconds(0));
}

// A lost claim's commit may have happened, or still happen, and nobody else takes from who lives.
Task<void> Runner::Impl::hand_back_strays(std::int64_t owner) {
    const std::string known = known_batches(owner);
    const bool is_last = strays_until.passed();
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    try {
        const auto strays = co_await context.write(internal::hand_back, owner, known);
        handed_back.add(static_cast<std::uint64_t>(strays));
        if (strays > 0) {
            log::warning("jobs of a claim whose answer was lost are handed back",
                         {{"jobs", strays}});
            lanes.woken(Deadline::Clock::now());
        }
        strays_next = Deadline::in(options.poll_every);
        if (is_last) strays_of = 0;
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        log::debug("strays could not be handed back", {{"error", error.message()}});
    }
    end(*claim_slot, context, failed);
}

Task<void> Runner::Impl::ready_due_jobs() {
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    due_read = Deadline::Clock::now();
    due_at = Deadline::in(options.poll_every);
    try {
        Reader reader = context.reader();
        auto due_in = co_await reader.maybe<std::int64_t>(sql::next_due_in);
        if (due_in && *due_in <= 0) {
            const auto moved = co_await context.write(internal::ready_due_jobs, due_batch_max);
            if (moved > 0) new_jobs = true;
            // Nothing: another process is moving them.
            due_in = moved > 0 ? 0 : 20'000;
        }
        if (due_in) due_at = due_at.sooner(Deadline::in(milliseconds((*due_in + 999) / 1'000)));
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        log::warning("scheduled jobs could not be made ready", {{"error", error.message()}});
    }
    end(*claim_slot, context, failed);
}

// The fallback for a wake-up that was lost, and for jobs whose claim was rolled back.
void Runner::Impl::poll_if_due() {
    if (!poll_at.passed()) return;
    new_jobs = true;
    const std::lock_guard lock(mutex);
    const double jittered =
        static_cast<double>(options.poll_every.count()) * (0.75 + 0.5 * random.uniform());
    poll_at = Deadline::in(milliseconds(static_cast<std::int64_t>(jittered)));
}

void Runner::Impl::hold(const Kind& kind, milliseconds time) {
    const std::lock_guard lock(mutex);
    holds.insert_or_assign(kind.name, Deadline::in(std::min(time, internal::hold_max)));
}

void Runner::Impl::apply_holds() {
    std::set<std::string> held_kinds;
    {
        const std::lock_guard lock(mutex);
        std::erase_if(holds, [](const auto& hold) { return hold.second.passed(); });
        for (const auto& [kind, until] : holds) held_kinds.insert(kind);
    }
    if (lanes.set_held(held_kinds, Deadline::Clock::now()))
        cursors_at = Deadline::in(milliseconds(0));
}

void Runner::Impl::apply_freed() {
    std::set<std::string> names;
    {
        const std::lock_guard lock(mutex);
        names.swap(freed);
    }
    if (!names.empty()) lanes.released(names);
}

internal::SharedLimits Runner::Impl::limits_now() const {
    const std::lock_guard lock(mutex);
    return limits;
}

milliseconds Runner::Impl::pause_before_next_claim() {
    const std::lock_guard lock(mutex);
    Deadline next = poll_at;
    if (process != 0) next = next.sooner(due_at).sooner(look_at);
    if (process != 0 && has_keyed) next = next.sooner(discover_at);
    // One whose time has come waits for a place, whose end wakes.
    const auto change = lanes.next_change();
    if (change && *change > Deadline::Clock::now()) next = next.sooner(Deadline(*change));
    for (const auto& [kind, until] : holds) next = next.sooner(until);
    // Otherwise the next place to become free wakes.
    if (held_off) next = next.sooner(small_claim_at);
    const auto left = std::chrono::ceil<milliseconds>(next.instant() - Deadline::Clock::now());
    return std::max(left, milliseconds(1));
}

}  // namespace loadstone::jobs
