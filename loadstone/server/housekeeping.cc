#include "loadstone/server/internal/housekeeping.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/cache/cache.h"
#include "loadstone/jobs/declaration.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/runner.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/idempotency.h"

namespace loadstone::server::internal {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr seconds ages_every{2};
constexpr seconds prune_every{60};
constexpr seconds declare_every{60};
constexpr seconds declare_again_after{5};  // where it has failed
constexpr int not_pulling_after = 3;       // times what another process may be silent
constexpr seconds round_max{10};

}  // namespace

Housekeeping::Housekeeping(const Config& config, jobs::Queue& queue, cache::Cache& cache,
                           const jobs::Runner* runner, telemetry::Registry& registry)
    : config_(config), queue_(queue), cache_(cache), runner_(runner), registry_(registry) {
    watch_queue_ages();
}

Housekeeping::~Housekeeping() { registry_.remove_gauges(this); }

void Housekeeping::start(runtime::Loops& loops, const runtime::Services& services,
                         runtime::Event& stop, runtime::TaskScope& background) {
    background.spawn(loops.span_executor(0, slot_), run(services, stop));
}

// The age of the oldest runnable job is the queue's objective.
void Housekeeping::watch_queue_ages() {
    registry_.gauge(this, "loadstone_jobs_oldest_due_seconds", "",
                    "How long the oldest runnable job has been due",
                    [this] { return static_cast<double>(oldest_due_us_.load()) / 1e6; });
    for (const auto& kind : queue_.kinds()) {
        const auto [at, is_new] = queue_ages_us_.try_emplace(kind->queue);
        if (!is_new) continue;
        const std::atomic<std::int64_t>& age = at->second;
        registry_.gauge(this, "loadstone_jobs_queue_oldest_due_seconds",
                        fmt::format("queue=\"{}\"", kind->queue),
                        "How long the oldest runnable job of a queue has been due",
                        [&age] { return static_cast<double>(age.load()) / 1e6; });
    }
    registry_.gauge(this, "loadstone_jobs_not_pulling", "",
                    "1 while runnable jobs wait and this process could claim none for long",
                    [this] { return is_not_pulling_ ? 1.0 : 0.0; });
}

void Housekeeping::note_queue_ages(const std::vector<jobs::QueueAge>& ages) {
    std::int64_t oldest = 0;
    for (auto& [name, age] : queue_ages_us_) age = 0;
    for (const jobs::QueueAge& each : ages) {
        oldest = std::max(oldest, each.age);
        const auto of = queue_ages_us_.find(each.queue);
        if (of != queue_ages_us_.end()) of->second = each.age;
    }
    oldest_due_us_ = oldest;
}

// Runnable jobs wait, and the task that should claim them has not managed to for long.
void Housekeeping::watch_pulling() {
    const milliseconds after = not_pulling_after * config_.jobs.dead_after;
    const bool waits = oldest_due_us_.load() > std::chrono::microseconds(after).count();
    const bool is_stuck = runner_ != nullptr && waits && runner_->since_pulling() > after;
    if (is_stuck && !is_not_pulling_)
        log::error(
            "this process runs jobs and has not been able to claim any",
            {{"for_s", std::chrono::duration_cast<seconds>(runner_->since_pulling()).count()},
             {"oldest_due_s", oldest_due_us_.load() / 1'000'000}});
    if (!is_stuck && is_not_pulling_) log::info("jobs are claimed again");
    is_not_pulling_ = is_stuck;
}

// First when the server starts. Nothing of its own needs them: a failure is no more than a warning.
Task<void> Housekeeping::declare_kinds(Context& context) {
    const auto now = Clock::now();
    if (now < declare_at_) co_return;
    try {
        co_await jobs::declare_kinds(context, queue_, !kinds_are_declared_);
        kinds_are_declared_ = true;
        declare_at_ = now + declare_every;
    } catch (const Error& error) {
        declare_at_ = now + declare_again_after;
        log::warning("the job kinds could not be declared for other languages; it is tried again",
                     {{"error", error.message()}});
    }
}

Task<void> Housekeeping::round(Context& context, std::chrono::nanoseconds& pause) {
    Reader reader = context.reader();
    const auto began = Clock::now();
    const auto ages = co_await jobs::oldest_due_ages(reader);
    if (config_.cache_is_on) co_await cache_.measure(context);
    note_queue_ages(ages);
    // Behind an old snapshot it takes long: then it is asked less often.
    pause = std::max(pause, 20 * (Clock::now() - began));
    if (Clock::now() < prune_at_) co_return;
    const Timestamp older_than = Timestamp::now() - store::idempotency_kept;
    const auto pruned = co_await context.write(store::prune_idempotency, older_than);
    co_await cache_.prune(context);
    const bool all_jobs = co_await context.write(jobs::prune, config_.jobs_kept);
    if (pruned < static_cast<std::uint64_t>(store::prune_max) && all_jobs) prune_at_ += prune_every;
}

Task<void> Housekeeping::run(const runtime::Services& services, runtime::Event& stop) {
    prune_at_ = Clock::now() + prune_every;
    const telemetry::LabelIndex label =
        registry_.add_label(telemetry::LabelKind::job, "loadstone.housekeeping", "loadstone");
    bool has_ended = false;
    while (!has_ended) {
        Context context(services, Deadline::in(round_max));
        context.span().start(label, "loadstone.housekeeping");
        context.reading().freshness = runtime::latest;
        slot_.enter(&context.span());
        std::chrono::nanoseconds pause = ages_every;
        co_await declare_kinds(context);
        try {
            co_await round(context, pause);
        } catch (const Error& error) {
            context.span().failed = true;
            log::warning("housekeeping failed", {{"error", error.message()}});
        }
        watch_pulling();
        runtime::settle_slice();
        registry_.shard().record(context.span(), runtime::Loops::cpu_share());
        slot_.enter(nullptr);
        const Deadline next = Deadline::in(std::chrono::ceil<milliseconds>(pause));
        has_ended = co_await stop.wait(next);
    }
}

}  // namespace loadstone::server::internal
