#include <algorithm>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds look_every{500};

struct Told {
    std::int64_t job = 0, batch = 0;
    double fraction = 0;
    std::string note;
};
BOOST_DESCRIBE_STRUCT(Told, (), (job, batch, fraction, note))

Task<void> save_progress(Tx& tx, std::string json) {
    tx.see_commits();
    co_await tx.exec(sql::save_progress, json);
}

}  // namespace

Task<void> Runner::Impl::look_around() {
    look_at = Deadline::in(std::min(options.poll_every, look_every));
    Context context(services, Deadline::in(internal::control_deadline));
    begin(*claim_slot, context, claim_label, "loadstone.claim");
    bool failed = false;
    try {
        co_await read_settings(context.reader());
        co_await give_loans_back(context, process);
        co_await drop_cancelled(context);
        abandon_overdue();
        co_await tell_progress(context);
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        if (const auto unsaid = look_complaints.take(Deadline::Clock::now()))
            log::warning(
                "pauses, limits and cancellations could not be looked at: those last "
                "known hold",
                {{"error", error.message()}, {"unsaid", *unsaid}});
    }
    end(*claim_slot, context, failed);
}

Task<void> Runner::Impl::read_settings(Reader reader) {
    const auto paused = co_await reader.many<std::string>(sql::paused_queues);
    lanes.set_paused(paused);
    const auto settings = co_await reader.many<internal::LimitSetting>(sql::limit_settings);
    apply_limit_settings(settings);
    const auto wanted = co_await reader.many<std::int64_t>(sql::cancels);
    cancel_asked_for(wanted);
    if (!lanes_at.passed()) co_return;
    const auto some = co_await reader.many<internal::LaneFound>(
        sql::lanes, lanes_from.queue, lanes_from.partition_key, lanes_from.priority);
    for (const internal::LaneFound& lane : some) lanes.learn(lane);
    // Page after page, and then again after a while.
    const bool is_last = some.size() < internal::Lanes::page_max;
    lanes_from = is_last ? internal::LaneFound{} : some.back();
    if (is_last) lanes_at = Deadline::in(internal::Lanes::sweep_every);
}

void Runner::Impl::apply_limit_settings(const std::vector<internal::LimitSetting>& settings) {
    auto book = std::make_shared<const internal::LimitBook>(
        internal::with_settings(queue.limits(), settings));
    std::map<std::string, double> weights;
    for (const internal::LimitSetting& setting : settings) {
        if (setting.name.starts_with(internal::tenant_prefix))
            weights[tenant_in_partition(setting.name.substr(internal::tenant_prefix.size()))] =
                setting.weight;
    }
    lanes.set_weights(std::move(weights));
    const auto before = limits_now();
    if (*before == *book) return;
    {
        const std::lock_guard lock(mutex);
        limits = book;
    }
    loans.close([&](const std::string& name) { return before->at(name) != book->at(name); });
}

void Runner::Impl::cancel_asked_for(const std::vector<std::int64_t>& jobs_wanted) {
    const std::lock_guard lock(mutex);
    cancel_wanted = std::set<std::int64_t>(jobs_wanted.begin(), jobs_wanted.end());
    if (cancel_wanted.empty()) return;
    for (const auto& seat : seats) {
        if (seat->context == nullptr || seat->cancel_asked) continue;
        if (!cancel_wanted.contains(seat->lease.job)) continue;
        seat->cancel_asked = true;
        seat->abandon_at = Deadline::in(internal::abandon_after);
        seat->context->cancel();
    }
}

Task<void> Runner::Impl::drop_cancelled(Context& context) {
    std::vector<std::int64_t> asked;
    {
        const std::lock_guard lock(mutex);
        asked.assign(cancel_wanted.begin(), cancel_wanted.end());
    }
    if (asked.empty()) co_return;
    const std::string json = to_json(asked);
    const auto waiting = co_await context.reader().many<std::int64_t>(sql::cancelled_waiting, json);
    if (waiting.empty()) co_return;
    const auto dropped = co_await context.write(internal::drop_cancelled, json);
    cancelled_total.add(static_cast<std::uint64_t>(dropped));
    if (dropped > 0) queue.wake();
}

// Their handlers have been told and go on: the job ends, and what they still do to it is refused.
void Runner::Impl::abandon_overdue() {
    bool some = false;
    {
        const std::lock_guard lock(mutex);
        for (const auto& seat : seats) {
            if (seat->context == nullptr || seat->is_abandoned || !seat->abandon_at.passed())
                continue;
            internal::Finished outcome;
            outcome.lease = seat->lease;
            outcome.job = seat->job;
            outcome.is_dropped = outcome.was_noted = true;
            outcomes.add(std::move(outcome));
            seat->is_abandoned = some = true;
            cancelled_total.add(1);
            log::warning("a cancelled job's handler goes on; the job has ended without it",
                         {{"job", seat->lease.job}});
        }
    }
    if (some) finished_event.set();
}

Task<void> Runner::Impl::tell_progress(Context& context) {
    std::vector<Told> told;
    {
        const std::lock_guard lock(mutex);
        for (const auto& seat : seats) {
            if (seat->context == nullptr || seat->is_abandoned) continue;
            auto progress = seat->notes.take_progress();
            if (progress)
                told.push_back({seat->lease.job, seat->lease.batch, progress->fraction,
                                std::move(progress->note)});
        }
    }
    if (told.empty()) co_return;
    const std::string json = to_json(told);
    co_await context.write(save_progress, json);
}

}  // namespace loadstone::jobs
