#pragma once
// FeedLease: which server feeds a column store that all of them reach. The lease keeps two from
// feeding at once for long; that nothing is doubled or lost rests on its epochs alone, not on
// clocks: each beginning has one of its own, the store takes nothing of an older one, and what the
// feed notes in the database it notes in a transaction that require_epoch() has checked (ADR 25).

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/lane.h"
#include "loadstone/runtime/task.h"
#include "loadstone/store/tx.h"

namespace loadstone::analytics::internal {

struct FeedTerm {
    std::int64_t epoch = 0;  // 0: of a store that is not shared
    std::chrono::microseconds lease{0};
};

// In the transaction of a note: prolongs the lease. Errors: conflict if its epoch is not the last.
Task<void> require_epoch(Tx& tx, FeedTerm term);

// Runs `work` on the lane, and prolongs the lease each third of it meanwhile: a write to the store
// may take longer than a lease. Whether it was ours all the time the note behind it tells.
Task<void> run_in_term(Context& context, runtime::Lane& lane, FeedTerm term,
                       std::function<void()> work);

class FeedLease {
public:
    explicit FeedLease(std::chrono::milliseconds lease);

    // Whether it is ours, prolonged if a third of it is over, or free. If it is not ours any more,
    // its epoch is 0 from now on.
    Task<bool> is_ours_or_free(Context& context);
    // Ours, with a new epoch of at least `lowest`. Errors: conflict.
    Task<void> take(Context& context, std::int64_t lowest);
    // So that the next server need not wait. May fail.
    Task<void> leave(Context& context);
    const FeedTerm& term() const noexcept { return term_; }

private:
    const std::string holder_;
    FeedTerm term_;
};

}  // namespace loadstone::analytics::internal
