#pragma once
// LoopMeter: what one loop's thread measures about the slices that it runs. The thread writes; the
// watchdog and the metrics read the atomics.

#include <atomic>
#include <cstdint>

#include "loadstone/runtime/loops.h"
#include "loadstone/telemetry/thread_usage.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::runtime::internal {

class alignas(64) LoopMeter {
public:
    static constexpr std::uint64_t window_ns = 10'000'000;

    // On the loop's thread, before its first slice.
    void attach(int index, bool slices) noexcept;

    bool has_slices() const noexcept { return slices_; }
    bool in_slice() const noexcept { return held_since_.load(std::memory_order_relaxed) != 0; }
    SpanSlot* slot() const noexcept { return slot_; }
    int index() const noexcept { return index_; }

    // A slice of `slot` (may be null) begins, perhaps inside another one, which stands still until
    // leave(). The return value goes back into leave().
    SpanSlot* enter(SpanSlot* slot) noexcept {
        SpanSlot* const outer = slot_;
        const std::uint64_t now = telemetry::tsc();
        if (depth_++ == 0) {
            counted_until_ = now;
            allocations_ = telemetry::thread_allocations();
            name_holder(slot);
            held_since_.store(now, std::memory_order_release);
        } else {
            charge(now);
            name_holder(slot);
        }
        slot_ = slot;
        return outer;
    }
    void leave(SpanSlot* outer) noexcept {
        const std::uint64_t now = telemetry::tsc();
        charge(now);
        if (telemetry::Span* span = span_of(slot_)) ++span->slices;
        slot_ = outer;
        if (--depth_ == 0) {
            held_since_.store(0, std::memory_order_release);
            if (now - window_began_ >= window_ticks_) reconcile(now);
        } else {
            name_holder(outer);
        }
    }
    // What was used so far goes to the current span; what follows is counted anew.
    void settle() noexcept { charge(telemetry::tsc()); }
    void name_holder(const SpanSlot* slot) noexcept {
        const telemetry::Span* span = span_of(slot);
        holder_.store(span == nullptr ? "" : span->name, std::memory_order_relaxed);
    }

    // From any thread. 0 when no slice runs; the name is that of the span that held the loop when
    // it was read, "" for work that belongs to no span.
    std::uint64_t held_since() const noexcept {
        return held_since_.load(std::memory_order_acquire);
    }
    const char* holder() const noexcept { return holder_.load(std::memory_order_relaxed); }
    double cpu_share() const noexcept { return cpu_share_.load(std::memory_order_relaxed); }
    // At `now` (TSC); see loop_load.h.
    double load(std::uint64_t now) const noexcept;
    std::uint64_t slices_tsc() const noexcept {
        return slices_tsc_.load(std::memory_order_relaxed);
    }

private:
    static telemetry::Span* span_of(const SpanSlot* slot) noexcept {
        return slot == nullptr ? nullptr : slot->current();
    }
    void charge(std::uint64_t now) noexcept {
        const telemetry::AllocationCount used = telemetry::thread_allocations();
        // A thread that moves to another core can see the counter step back by a few ticks.
        const std::uint64_t ticks = now > counted_until_ ? now - counted_until_ : 0;
        if (telemetry::Span* span = span_of(slot_)) {
            span->cpu_tsc += ticks;
            span->allocations += used.count - allocations_.count;
            span->allocated_bytes += used.bytes - allocations_.bytes;
        }
        window_slices_ += ticks;
        counted_until_ = now;
        allocations_ = used;
    }
    void reconcile(std::uint64_t now) noexcept;

    int index_ = -1;
    bool slices_ = true;
    int depth_ = 0;
    SpanSlot* slot_ = nullptr;         // of the innermost slice
    std::uint64_t counted_until_ = 0;  // TSC up to which the slice is charged to its span
    telemetry::AllocationCount allocations_;
    std::uint64_t window_began_ = 0;  // TSC
    std::uint64_t window_ticks_ = 0;
    std::uint64_t window_slices_ = 0;  // TSC ticks spent in slices since the window began
    double load_ = 0;                  // of the last window that has ended
    std::uint64_t window_cpu_ns_ = 0;  // the thread's CPU clock when the window began

    alignas(64) std::atomic<std::uint64_t> held_since_{0};
    std::atomic<const char*> holder_{""};
    std::atomic<double> cpu_share_{1.0};
    std::atomic<std::uint64_t> slices_tsc_{0};
};

// The meter of the loop that the calling thread runs, null elsewhere.
inline constinit thread_local LoopMeter* loop_meter = nullptr;

}  // namespace loadstone::runtime::internal

namespace loadstone::runtime {

// Brackets one slice. A slice of the slot that is already running is part of it.
struct SliceScope {
    explicit SliceScope(SpanSlot* slot) noexcept {
        internal::LoopMeter* meter = internal::loop_meter;
        if (meter == nullptr || !meter->has_slices()) return;
        if (meter->in_slice() && meter->slot() == slot) return;
        meter_ = meter;
        outer_ = meter->enter(slot);
    }
    SliceScope(const SliceScope&) = delete;
    SliceScope& operator=(const SliceScope&) = delete;
    ~SliceScope() {
        if (meter_ != nullptr) meter_->leave(outer_);
    }

private:
    internal::LoopMeter* meter_ = nullptr;
    SpanSlot* outer_ = nullptr;
};

}  // namespace loadstone::runtime
