#include "loadstone/cache/internal/recomputations.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/runtime/loop_load.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/permit.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::cache::internal {

namespace {

// Of its time, from where on a loop is one that others use too, and one that they want more of.
constexpr double used_from = 0.05, wanted_from = 0.5;
// Who pauses looks so often whether its context was cancelled.
constexpr std::chrono::milliseconds look_every{50};

// What the span's task has used of its loop's time.
std::uint64_t used_now(const telemetry::Span& span) noexcept {
    runtime::settle_slice();
    return span.cpu_tsc - span.lane_tsc;
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
                   [this] { return static_cast<double>(entering_); });
}

Recomputations::~Recomputations() { registry_.remove_gauges(this); }

void Recomputations::asked(std::chrono::nanoseconds took) {
    const std::size_t before = limit_.limit();
    limit_.asked(took, under_way_, Clock::now());
    const std::size_t now = limit_.limit();
    if (now != before) places_.resize(now);
}

// Under the lock; what it gives stays.
Recomputations::OfLoop& Recomputations::of_loop() {
    const RecomputationPaceOptions options{.share = options_.percent / 100.0,
                                           .patience = options_.patience};
    return loops_.try_emplace(runtime::Loops::current(), options).first->second;
}

// Of the pace of a loop. Goes back unless it was used.
class Recomputations::Turn {
public:
    explicit Turn(std::mutex& mutex) : mutex_(mutex) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        if (pace_ == nullptr) return;
        const std::scoped_lock lock(mutex_);
        pace_->give_back(booked_);
    }

    // With the lock held. When to begin.
    Clock::time_point book(RecomputationPace& pace, const RecomputationPace::Turn& booked) {
        pace_ = &pace;
        booked_ = booked;
        return booked.begin;
    }
    void use() noexcept { pace_ = nullptr; }

private:
    std::mutex& mutex_;
    RecomputationPace* pace_ = nullptr;
    RecomputationPace::Turn booked_;
};

Task<void> Recomputations::enter(Context& context, Clock::time_point waits_since) {
    struct Entering {
        std::atomic<std::size_t>& count;
        ~Entering() { --count; }
    };
    const bool may_wait = ++entering_ <= options_.waiting_max;
    const Entering entering{entering_};
    if (!may_wait) {
        if (!places_.try_acquire()) refuse(Errc::unavailable);
        co_return;
    }
    Turn turn(mutex_);
    co_await pause(context, waits_since, turn);
    const runtime::Acquired acquired = co_await places_.acquire(context.deadline());
    if (acquired != runtime::Acquired::yes)
        refuse(acquired == runtime::Acquired::queue_full ? Errc::unavailable
                                                         : Errc::deadline_exceeded);
    turn.use();
}

void Recomputations::refuse(Errc code) {
    refused_.add();
    throw Error(code, fmt::format("{} views are computed already, the most there may be now",
                                  places_.permits()))
        .with_retry_after(std::chrono::seconds(1));
}

bool Recomputations::gives_way() const noexcept {
    return options_.percent != 100 && runtime::loop_load() >= used_from;
}

// Requests want the loop: recomputation has its share of it, and no more.
Task<void> Recomputations::pause(Context& context, Clock::time_point waits_since, Turn& turn) {
    if (options_.percent == 100 || runtime::loop_load() < wanted_from) co_return;
    auto now = Clock::now();
    Clock::time_point begin;
    {
        const std::scoped_lock lock(mutex_);
        RecomputationPace& own = of_loop().pace;
        begin = turn.book(own, own.next(waits_since, context.deadline().instant(), now));
    }
    if (begin > now) pauses_.add();
    for (; now < begin; now = Clock::now()) {
        co_await runtime::sleep_until(Deadline(std::min(begin, now + look_every)));
        context.throw_if_done("a view whose turn has not come");
    }
}

// Who waits is woken by the one before it, and comes behind all that was ready then: in the next
// turn.
Task<void> Recomputations::give_way(Context& context, Clock::time_point waits_since) {
    const auto latest = waits_since + options_.patience;
    if (options_.percent == 100 || Clock::now() >= latest) co_return;
    runtime::Semaphore* turn = nullptr;
    {
        const std::scoped_lock lock(mutex_);
        turn = &of_loop().turn;
    }
    if (turn->try_acquire()) {
        const runtime::Permit permit(*turn);
        co_await runtime::yield();
        co_return;
    }
    const Deadline until(std::min(latest, context.deadline().instant()));
    if (co_await turn->acquire(until) == runtime::Acquired::yes) turn->release();
}

Recomputations::Place::Place(Recomputations& all, Context& context) noexcept
    : all_(all), span_(context.span()), used_before_(used_now(span_)) {
    ++all.under_way_;
}

Recomputations::Place::~Place() {
    const std::uint64_t used = used_now(span_) - used_before_;
    --all_.under_way_;
    {
        const std::scoped_lock lock(all_.mutex_);
        all_.of_loop().pace.ended(std::chrono::nanoseconds(telemetry::tsc_to_ns(used)));
    }
    all_.places_.release();
}

}  // namespace loadstone::cache::internal
