// Where jobs stand: lanes in which something new has come to stand, how far places are decided, and
// how far lanes have been emptied.
#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

namespace {

constexpr std::chrono::milliseconds cursors_every{50};
constexpr std::chrono::milliseconds full_look_every{500};
constexpr std::int64_t new_lanes_jobs = 5'000;  // of sql::new_lanes

struct NewLane {
    std::string queue, partition_key;
    int priority = 0;
    std::int64_t seq = 0, last = 0, jobs = 0;
};
BOOST_DESCRIBE_STRUCT(NewLane, (), (queue, partition_key, priority, seq, last, jobs))

}  // namespace

// All lanes; gives the place up to which they are of jobs that this read shows.
Task<std::int64_t> Runner::Impl::learn_lanes(Reader reader) {
    const auto last = co_await reader.one<std::int64_t>(sql::last_ready);
    internal::LaneFound from;
    for (bool has_more = true; has_more;) {
        const auto some = co_await reader.many<internal::LaneFound>(
            sql::lanes, from.queue, from.partition_key, from.priority);
        for (const internal::LaneFound& lane : some) lanes.learn(lane);
        has_more = some.size() >= internal::Lanes::page_max;
        if (has_more) from = some.back();
    }
    // The sweep, which goes on page by page where this fails, has that done.
    lanes_from = {};
    lanes_at = Deadline::in(internal::Lanes::sweep_every);
    co_return last;
}

// What has come to stand in partitions since it was last looked. Places behind the horizon are
// looked at again: their transactions may not have ended.
Task<void> Runner::Impl::discover() {
    discover_at = Deadline::in(options.poll_every);
    discovered = Deadline::Clock::now();
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    try {
        Reader reader = context.reader();
        std::int64_t horizon = lanes.horizon();
        if (queue.database().dialect() == store::Dialect::sqlite) {
            horizon = co_await reader.one<std::int64_t>(sql::last_ready);
        } else if (looked == 0) {
            // At the start: what is decided by now is looked at once.
            horizon = co_await read_horizon(reader);
        }
        if (lanes.take_gone_back() || horizon < lanes.seen()) {
            lanes.set_seen(0);
            looked = 0;
        }
        // Most have come behind what was looked at; what has slipped in before is looked for less
        // often.
        const bool is_full = full_look_at.passed();
        if (is_full) full_look_at = Deadline::in(full_look_every);
        std::int64_t from = is_full ? lanes.seen() : std::max(lanes.seen(), looked);
        if (looked == 0) from = co_await learn_lanes(reader);
        for (bool has_more = true; has_more;) {
            const auto found = co_await reader.many<NewLane>(sql::new_lanes, from);
            std::int64_t jobs_seen = 0;
            for (const NewLane& lane : found) {
                lanes.learn({lane.queue, lane.partition_key, lane.priority, lane.seq});
                jobs_seen += lane.jobs;
                from = std::max(from, lane.last);
            }
            has_more = jobs_seen >= new_lanes_jobs;
            // More than a page: lanes are fewer than jobs.
            if (has_more) from = std::max(from, co_await learn_lanes(reader));
        }
        looked = std::max(looked, from);
        if (is_full) lanes.set_seen(std::max(lanes.seen(), horizon));
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        log::debug("the partitions could not be looked at", {{"error", error.message()}});
    }
    end(*claim_slot, context, failed);
}

// Gives how far all places are decided, as far as two looks show.
Task<std::int64_t> Runner::Impl::read_horizon(Reader reader) {
    // In this order: a place that was given out before has its transaction before `next`.
    const auto last = co_await reader.one<std::int64_t>(sql::last_ready);
    const auto transactions = co_await reader.one<internal::Transactions>(sql::transactions_now);
    co_return lanes.horizon(last, transactions);
}

// How far the lanes have been emptied. At full speed thousands of dead entries a second gather
// behind an old snapshot, so it is asked often, and only of lanes of which something was taken.
Task<void> Runner::Impl::advance_cursors() {
    cursors_at = Deadline::in(cursors_every);
    const bool is_postgres = queue.database().dialect() == store::Dialect::postgres;
    const auto moved = lanes.moved();
    if (moved.empty() && !(has_keyed && is_postgres)) co_return;
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    try {
        Reader reader = context.reader();
        std::int64_t horizon = 0;
        if (is_postgres) {
            horizon = co_await read_horizon(reader);
        } else {
            horizon = co_await reader.one<std::int64_t>(sql::last_ready);
        }
        for (const auto& place : moved) {
            if (!is_postgres && place.cursor >= horizon) continue;  // nothing is behind it
            const auto first =
                co_await reader.maybe<std::int64_t>(sql::first_ready_behind, place.queue,
                                                    place.priority, place.cursor, place.kinds_json);
            lanes.advance(place, first, horizon);
        }
    } catch (...) {
        failed = true;
        log::debug("the lanes could not be looked at",
                   {{"error", error_from_exception(std::current_exception()).message()}});
    }
    end(*claim_slot, context, failed);
}

}  // namespace loadstone::jobs
