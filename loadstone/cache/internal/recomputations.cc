#include "loadstone/cache/internal/recomputations.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"
#include "loadstone/runtime/loop_load.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::cache::internal {

namespace {

// Of its time, from where on a loop is one that requests want.
constexpr double load_min = 0.5;

// What the span's task has used, also on lanes.
std::uint64_t cpu_now(const telemetry::Span& span) noexcept {
    runtime::settle_slice();
    return span.cpu_tsc;
}

}  // namespace

Recomputations::Recomputations(const RecomputationOptions& options, telemetry::Registry& registry)
    : options_(options),
      registry_(registry),
      refused_(registry.counter("loadstone_cache_refused_total", "",
                                "Computations for which there was no room")),
      pauses_(registry.counter("loadstone_cache_pauses_total", "",
                               "Computations that began later, because requests wanted the loop")),
      limit_({.max = options.max}),
      places_(limit_.limit(), options.waiting_max) {
    registry.gauge(this, "loadstone_cache_computations", "", "Views that are being computed",
                   [this] { return static_cast<double>(under_way_); });
    registry.gauge(this, "loadstone_cache_computations_limit", "",
                   "How many may be, by how long questions take",
                   [this] { return static_cast<double>(places_.permits()); });
    registry.gauge(this, "loadstone_cache_computations_waiting", "", "That wait for it",
                   [this] { return static_cast<double>(places_.waiting()); });
}

Recomputations::~Recomputations() { registry_.remove_gauges(this); }

void Recomputations::asked(std::chrono::nanoseconds took) {
    const std::size_t before = limit_.limit();
    limit_.asked(took, under_way_, Clock::now());
    const std::size_t now = limit_.limit();
    if (now != before) places_.resize(now);
}

RecomputationPace& Recomputations::pace() {
    const RecomputationPaceOptions options{.share = options_.percent / 100.0};
    return paces_.try_emplace(runtime::Loops::current(), options).first->second;
}

Task<void> Recomputations::enter(Context& context) {
    const auto waits_since = Clock::now();
    const runtime::Acquired acquired = co_await places_.acquire(context.deadline());
    if (acquired != runtime::Acquired::yes) {
        refused_.add();
        throw Error(
            acquired == runtime::Acquired::queue_full ? Errc::unavailable : Errc::deadline_exceeded,
            fmt::format("{} views are computed already, the most there may be now",
                        places_.permits()))
            .with_retry_after(std::chrono::seconds(1));
    }
    struct Held {
        runtime::Semaphore* places;
        ~Held() {
            if (places != nullptr) places->release();
        }
    } held{&places_};
    co_await pause(context, waits_since);
    held.places = nullptr;
}

// Requests want the loop: recomputation has its share of it, and no more.
Task<void> Recomputations::pause(Context& context, Clock::time_point waits_since) {
    if (options_.percent == 100 || runtime::loop_load() < load_min) co_return;
    const auto now = Clock::now();
    Clock::time_point begin;
    {
        const std::scoped_lock lock(mutex_);
        begin = pace().next(waits_since, now);
    }
    if (begin == now) co_return;
    pauses_.add();
    const runtime::Deadline until = runtime::Deadline(begin).sooner(context.deadline());
    co_await runtime::sleep_until(until);
    context.throw_if_done("a view whose turn has not come");
}

Recomputations::Place::Place(Recomputations& all, Context& context) noexcept
    : all_(all), span_(context.span()), cpu_before_(cpu_now(span_)) {
    ++all.under_way_;
}

Recomputations::Place::~Place() {
    const std::uint64_t used = cpu_now(span_) - cpu_before_;
    --all_.under_way_;
    {
        const std::scoped_lock lock(all_.mutex_);
        all_.pace().ended(std::chrono::nanoseconds(telemetry::tsc_to_ns(used)));
    }
    all_.places_.release();
}

}  // namespace loadstone::cache::internal
