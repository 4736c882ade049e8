#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/base/log_throttle.h"
#include "loadstone/jobs/internal/runner_impl.h"
#include "loadstone/store/context_store.h"

namespace loadstone::jobs {

namespace {

std::string process_name() {
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    return fmt::format("{}:{}", host, getpid());
}

}  // namespace

Task<void> Runner::Impl::keep_lease() {
    auto renewed_at = Deadline::Clock::now();
    log::Throttle complaints{std::chrono::seconds(10)};
    std::int64_t previous = 0;  // the lease that could not be renewed in time
    auto looked_at = Deadline::Clock::now();
    Deadline rescues = Deadline::in(std::chrono::milliseconds(0));
    const auto bound = options.dead_after - 2 * options.heartbeat_every;
    while (!closing) {
        // An attempt ends with the lease, so that its end is noticed when it comes and not after.
        Deadline until = Deadline::in(options.heartbeat_every * 2);
        if (process != 0) until = until.sooner(Deadline(renewed_at + bound));
        Context context(lease_services, until);
        begin(*lease_slot, context, heartbeat_label, "loadstone.heartbeat");
        bool failed = false;
        const auto began = Deadline::Clock::now();
        try {
            if (previous != 0) {
                // If nobody has declared it dead, its jobs are still this process's to record.
                const bool is_ours = co_await context.write(internal::renew_heartbeat, previous);
                if (is_ours) {
                    lease_is_back = true;  // and claims whose answers were lost may still commit
                    process = previous;
                }
                previous = 0;
                wake.set();
            }
            if (process == 0) {
                const auto mine =
                    co_await context.write(internal::register_process, process_name());
                loans.forget();  // what was lent to the process before is rescued
                process = mine;
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
            if (claims_have_ended) co_await give_loans_back(context, process);
            const std::int64_t dead_us = std::chrono::microseconds(options.dead_after).count();
            // Who has overslept its own lease has heard of nobody: others may have been stopped
            // with it, and are given the time to say that they live.
            const bool has_overslept = began - looked_at > options.dead_after;
            if (has_overslept) rescues = Deadline::in(options.dead_after);
            looked_at = Deadline::Clock::now();
            for (bool is_all = !rescues.passed(); !is_all;)
                is_all = co_await rescue(context, dead_us);
        } catch (...) {
            const Error error = error_from_exception(std::current_exception());
            failed = true;
            if (const auto unsaid = complaints.take(Deadline::Clock::now()))
                log::warning("heartbeat failed", {{"error", error.message()}, {"unsaid", *unsaid}});
        }
        end(*lease_slot, context, failed);
        if (process != 0 && Deadline::Clock::now() - renewed_at >= bound) {
            log::error("the lease could not be renewed in time; running jobs are stopped",
                       {{"process", process.load()}});
            previous = process.exchange(0);
            cancel_running();
        }
        const Deadline next =
            Deadline::in(failed ? std::min(internal::failure_pause, options.heartbeat_every)
                                : options.heartbeat_every);
        co_await closing_event.wait(next);
    }
    if (process == 0) process = previous;  // what is still under it is handed back
    co_await sign_off();
}

Task<bool> Runner::Impl::rescue(Context& context, std::int64_t dead_us) {
    const auto taken = co_await context.write(internal::rescue, dead_us, options.crashes_max);
    if (!internal::freed_by(taken.released, *limits_now()).empty()) queue.wake();
    count_fates(taken.fates);
    rescued.add(taken.rescued);
    if (taken.rescued > 0) {
        log::warning("jobs taken from processes that died", {{"jobs", taken.rescued}});
        may_have_suspects = true;
        queue.wake();
    }
    if (taken.buried > 0) {
        log::error("jobs buried: their processes died each time they ran",
                   {{"jobs", taken.buried}});
    }
    co_return taken.is_all;
}

Task<void> Runner::Impl::sign_off() {
    if (process == 0) co_return;
    Context context(lease_services, Deadline::in(options.heartbeat_every));
    begin(*lease_slot, context, heartbeat_label, "loadstone.heartbeat");
    bool failed = false;
    try {
        co_await context.write(internal::sign_off, process.load());
        queue.wake();
    } catch (...) {
        const Error error = error_from_exception(std::current_exception());
        failed = true;
        log::warning("signing off failed; unfinished jobs are rescued by other processes",
                     {{"error", error.message()}});
    }
    end(*lease_slot, context, failed);
}

}  // namespace loadstone::jobs
