#include <algorithm>
#include <iterator>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/base/log_throttle.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

namespace {

constexpr std::size_t record_batch_max = 512;  // or claim_batch_max: a whole batch is cheaper
// When not all jobs of a batch have ended, others may within this time: the end of a whole batch is
// one row less, that of a part a row more for each job. As long as others do it is worth more.
constexpr std::chrono::milliseconds gather_for{3};
constexpr int gathers_max = 3;

constexpr int failures_at_end_max = 5;

}  // namespace

std::size_t Runner::Impl::left_of_parted() const {
    const std::lock_guard lock(mutex);
    return outcomes.left_of_parted();
}

Task<void> Runner::Impl::gather_outcomes() {
    std::size_t left = left_of_parted();
    for (int i = 0; i < gathers_max && left > 0 && !recording_ends; ++i) {
        const Deadline soon = Deadline::in(gather_for);
        co_await runtime::sleep_until(soon);
        const std::size_t before = std::exchange(left, left_of_parted());
        if (left >= before) co_return;
    }
}

// What they had of loans; those of one lane mostly stand together.
void Runner::Impl::give_back(std::vector<internal::Finished>& runs) {
    std::vector<std::string> awaited;
    for (auto first = runs.begin(); first != runs.end();) {
        const internal::SharedLent lent = first->gave_back ? nullptr : first->job->lent;
        auto last = first;
        for (; last != runs.end() && !last->gave_back && last->job->lent == lent; ++last)
            last->gave_back = true;
        if (lent) loans.ended(*lent, last - first, awaited);
        first = std::max(last, std::next(first));
    }
    if (awaited.empty()) return;
    {
        const std::lock_guard lock(mutex);
        freed.insert(awaited.begin(), awaited.end());
    }
    wake.set();
}

// Of kinds that this program does not know nothing is counted.
void Runner::Impl::count_fates(const std::map<std::string, internal::Fates>& fates) {
    for (const auto& [name, of] : fates) {
        const Kind* const kind = queue.find(name);
        if (kind == nullptr) continue;
        kind->meters.retried->add(of.retried);
        kind->meters.snoozed->add(of.snoozed);
        kind->meters.buried->add(of.buried);
    }
}

// Outcomes that have gathered are one transaction. While the database refuses, they wait here, and
// claims stop when running_max of them do.
Task<void> Runner::Impl::record_outcomes() {
    const std::size_t batch_max = std::max(record_batch_max, options.claim_batch_max);
    log::Throttle complaints{std::chrono::seconds(1)};
    int failures_at_end = 0;
    for (;;) {
        co_await gather_outcomes();
        finished_event.reset();
        const auto runs = std::make_shared<std::vector<internal::Finished>>();
        std::vector<internal::Finished>& batch = *runs;
        Deadline until = Deadline::in(options.poll_every);
        {
            const std::lock_guard lock(mutex);
            batch = outcomes.take(batch_max, Deadline::Clock::now(), recording_ends);
            if (const auto next = outcomes.next_try()) until = until.sooner(Deadline(*next));
        }
        if (batch.empty()) {
            if (recording_ends) co_return;
            co_await finished_event.wait(until);
            continue;
        }
        give_back(batch);
        Context context(services, Deadline::in(internal::control_deadline));
        begin(*record_slot, context, record_label, "loadstone.record");
        bool failed = false, has_conflicted = false;
        try {
            const auto owner = batch.front().lease.process;
            const internal::FinishedRuns shared = runs;
            const auto recorded = co_await context.write(internal::record, owner, shared);
            count_fates(recorded.fates);
            leases_lost.add(recorded.lost_of(batch));
            if (!recorded.fates.empty()) new_jobs = true;  // of later
            const auto some = internal::freed_by(recorded.released, *limits_now());
            if (!some.empty()) {
                const std::lock_guard lock(mutex);
                freed.insert(some.begin(), some.end());
            }
            if (recorded.unblocked > 0 || !some.empty()) queue.wake();
        } catch (...) {
            const Error error = error_from_exception(std::current_exception());
            failed = true;
            has_conflicted = error.code() == Errc::conflict;
            if (const auto unsaid = complaints.take(Deadline::Clock::now()))
                log::warning(
                    "finished jobs could not be recorded",
                    {{"jobs", batch.size()}, {"error", error.message()}, {"unsaid", *unsaid}});
        }
        end(*record_slot, context, failed);
        if (failed) {
            // A stop tries for a while; what is not recorded then is handed back and runs again.
            if (recording_ends && ++failures_at_end >= failures_at_end_max) co_return;
            bool are_aside = false;
            {
                const std::lock_guard lock(mutex);
                are_aside =
                    outcomes.failed(std::move(batch), has_conflicted, Deadline::Clock::now());
            }
            // The others need not wait.
            if (are_aside) continue;
            const Deadline later = Deadline::in(internal::failure_pause);
            co_await runtime::sleep_until(later);
        } else {
            {
                const std::lock_guard lock(mutex);
                outcomes.recorded(batch);
            }
            wake.set();
        }
    }
}

}  // namespace loadstone::jobs
