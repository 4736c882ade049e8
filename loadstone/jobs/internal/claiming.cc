#include <algorithm>

#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds stray_watch{30'000};  // how long a lost claim may still be committed
constexpr milliseconds refused_pause{20};    // after a claim got none of the jobs that are due

std::size_t room_in(const admission::Bulkhead& bulkhead) {
    return bulkhead.options().concurrency_max - bulkhead.in_use();
}

}  // namespace

bool Runner::Impl::has_room(const std::string& module) const {
    const auto found = bulkheads.find(module);
    return found == bulkheads.end() ||
           internal::enough(room_in(*found->second), found->second->options().concurrency_max);
}

// Kinds whose modules have room, and no more jobs than fit if all are of one of them.
Claimable Runner::Impl::claimable() const {
    Claimable wanted;
    {
        const std::lock_guard lock(mutex);
        if (finished.size() >= options.running_max ||
            !internal::enough(free_seats.size(), options.running_max))
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
    Context context(services, Deadline::in(internal::control_deadline));
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
        const Deadline later = Deadline::in(internal::failure_pause);
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
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    try {
        const auto strays = co_await context.write(internal::hand_back_strays, owner, known);
        handed_back.add(static_cast<std::uint64_t>(strays));
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
    Context context(services, Deadline::in(internal::control_deadline));
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

}  // namespace loadstone::jobs
