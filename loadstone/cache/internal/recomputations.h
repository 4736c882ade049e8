#pragma once
// Recomputations: which views of this process may be computed now. So many at once as questions to
// the database bear (RecomputationLimit); and while requests want a loop, with pauses before
// (RecomputationPace), which hold no place. One begins in each turn of a loop. Thread-safe.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "loadstone/base/error.h"
#include "loadstone/cache/internal/recomputation_limit.h"
#include "loadstone/cache/internal/recomputation_pace.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::cache::internal {

struct RecomputationOptions {
    std::size_t max = 16;             // at once
    std::size_t waiting_max = 4'096;  // with those that pause; beyond: unavailable
    int percent = 25;                 // of a loop's time while requests want it; 100: no pauses
    std::chrono::milliseconds patience{250};  // the longest that pauses hold up one who waits
};

class Recomputations {
public:
    using Clock = std::chrono::steady_clock;

    Recomputations(const RecomputationOptions& options, telemetry::Registry& registry);
    ~Recomputations();
    Recomputations(const Recomputations&) = delete;
    Recomputations& operator=(const Recomputations&) = delete;

    // Waits for a place; who asks has waited for the view since then. On a loop. Errors:
    // unavailable with a retry_after if too many wait; deadline_exceeded; cancelled, in a
    // pause up to 50 ms after the context was.
    Task<void> enter(Context& context, Clock::time_point waits_since);
    // After enter(): what is ready on the loop goes first, and of all that call it there one goes
    // on in each of the loop's turns. At once who has waited for the view as long as `patience`,
    // and all if `percent` is 100.
    Task<void> give_way(Context& context, Clock::time_point waits_since);
    // Whether others use the calling loop now, so that what keeps it is to be in pieces.
    bool gives_way() const noexcept;
    // After enter(): while it lives a view is computed.
    class Place {
    public:
        Place(Recomputations& all, Context& context) noexcept;
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place();

    private:
        Recomputations& all_;
        telemetry::Span& span_;
        const std::uint64_t used_before_;
    };

    // A question took so long.
    void asked(std::chrono::nanoseconds took);
    std::size_t under_way() const noexcept { return under_way_; }

private:
    class Turn;
    Task<void> pause(Context& context, Clock::time_point waits_since, Turn& turn);
    [[noreturn]] void refuse(Errc code);

    struct OfLoop {
        explicit OfLoop(const RecomputationPaceOptions& options) : pace(options) {}
        RecomputationPace pace;
        runtime::Semaphore turn{1, runtime::Semaphore::count_max};  // who goes on next
    };
    OfLoop& of_loop();

    const RecomputationOptions options_;
    telemetry::Registry& registry_;
    telemetry::Counter& refused_;
    telemetry::Counter& pauses_;
    RecomputationLimit limit_;  // of who asks
    runtime::Semaphore places_;
    std::atomic<std::size_t> entering_{0};
    std::atomic<std::size_t> under_way_{0};
    std::mutex mutex_;
    std::unordered_map<int, OfLoop> loops_;
};

}  // namespace loadstone::cache::internal
