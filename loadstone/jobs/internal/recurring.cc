#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/firing.h"
#include "loadstone/jobs/internal/following.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

namespace {

constexpr std::chrono::milliseconds recurring_every{500};
// So that schedules wait no longer for whom a followed job's row waits.
constexpr std::chrono::seconds follow_deadline{1};

}  // namespace

void Runner::Impl::look_at_schedules() {
    if (is_firing || !recurring_at.passed()) return;
    recurring_at = Deadline::in(recurring_every);
    is_firing = true;
    claims.spawn(loops.span_executor(0, *fire_slot), fire_recurring(), fire_slot);
}

Task<void> Runner::Impl::fire_recurring() {
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*fire_slot, context, fire_label, "loadstone.fire");
    bool failed = false;
    try {
        if (!schedules_are_known && !queue.recurring().empty())
            co_await context.write(internal::add_schedules, queue.recurring());
        schedules_are_known = true;
        std::vector<std::size_t> due;
        if (!queue.recurring().empty())
            due = co_await internal::due_schedules(context.reader(), queue.recurring());
        for (const std::size_t index : due) {
            if (stopping) break;
            co_await fire(context, queue.recurring()[index]);
        }
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        if (const auto unsaid = fire_complaints.take(Deadline::Clock::now()))
            log::warning("schedules could not be looked at; they are tried again",
                         {{"error", error.message()}, {"unsaid", *unsaid}});
    }
    end(*fire_slot, context, failed);
    co_await follow_others();
    is_firing = false;
}

Task<void> Runner::Impl::follow_others() {
    Context context(services, Deadline::in(follow_deadline));
    begin(*fire_slot, context, fire_label, "loadstone.fire");
    bool failed = false;
    try {
        if (co_await internal::has_follows(context.reader())) {
            const auto moved = co_await context.write(internal::follow);
            if (moved > 0) queue.wake();
        }
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        if (const auto unsaid = follow_complaints.take(Deadline::Clock::now()))
            log::warning("jobs that follow others could not be looked at; they are tried again",
                         {{"error", error.message()}, {"unsaid", *unsaid}});
    }
    end(*fire_slot, context, failed);
}

// One that cannot fire holds up no other.
Task<void> Runner::Impl::fire(Context& context, const Recurring& recurring) {
    try {
        const auto fired = co_await context.write(internal::fire, recurring);
        fired_total.add(static_cast<std::uint64_t>(fired.jobs));
        if (fired.was_ahead_us > 0)
            log::warning(
                "a schedule had fired in the future, by a clock that was ahead; it goes on from "
                "now",
                {{"schedule", recurring.name}, {"ahead_s", fired.was_ahead_us / 1'000'000}});
    } catch (const Error& error) {
        if (const auto unsaid = fire_complaints.take(Deadline::Clock::now()))
            log::warning(
                "a schedule could not fire; it is tried again",
                {{"schedule", recurring.name}, {"error", error.message()}, {"unsaid", *unsaid}});
    }
}

}  // namespace loadstone::jobs
