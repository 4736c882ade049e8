#pragma once
// Folding: on PostgreSQL transactions leave what they add to ranked sums as deltas, so that none
// waits for another; here these become part of the ranks. Until then readers add them up, so
// nothing depends on when it is done but how much they read.

#include <atomic>
#include <chrono>
#include <span>

#include "loadstone/cache/aggregate.h"
#include "loadstone/runtime/event.h"
#include "loadstone/store/database.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::cache {

class Folding {
public:
    static constexpr std::int64_t rows_max = 1'000;  // of a transaction

    // The database must outlive it.
    Folding(store::Database& database, std::span<const Aggregate* const> aggregates,
            std::chrono::milliseconds every, telemetry::Registry& registry);

    // A transaction of this process has committed deltas. From any thread.
    void note_written() noexcept { is_written_ = true; }
    // Folds all that there is, if any was written here since the last time; the first time whatever
    // others have left. What a transaction writes just then is left for the next time: no writer
    // waits, and some may run again (docs/internals/aggregates.md). Errors: of the database.
    Task<void> fold(Context& context);
    // Does so `every` so often until the event is set; what fails is logged and tried again.
    Task<void> run(const runtime::Services& services, runtime::Event& stop);

private:
    store::Database& database_;
    const bool is_needed_;
    const std::chrono::milliseconds every_;
    std::atomic<bool> is_written_{true};
    telemetry::Counter& folded_;
};

}  // namespace loadstone::cache
