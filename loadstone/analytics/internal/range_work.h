#pragma once
// RangeWork: does what work.h asks, a range of keys at a time. The feed calls it between two
// batches, and it alone: while it runs the store stays at its position.

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/internal/feed_lease.h"
#include "loadstone/analytics/internal/range_read.h"
#include "loadstone/analytics/work.h"
#include "loadstone/runtime/context.h"

namespace loadstone::analytics::internal {

class DaySums;
struct FactRange;

// How many keys the next range has, so that it has about `facts_wanted` facts. Pure.
std::int64_t next_width(std::int64_t width, std::int64_t facts, std::int64_t facts_wanted);

class RangeWork {
public:
    RangeWork(Analytics& analytics, Recorder& recorder)
        : analytics_(analytics), recorder_(recorder) {}

    // One range, if any work is asked. True: there is more at once.
    Task<bool> step(Context& context, Position position, FeedTerm term);

private:
    Task<bool> range_of(Context& context, Work work, const FactTable* table, Position position,
                        FeedTerm term);
    // `range` has its position and its run.
    Task<void> replace(Context& context, const FactTable& table, const RangeRead& read,
                       FactRange range, FeedTerm term);
    Task<void> compare(Context& context, const FactTable& table, const RangeRead& read,
                       DaySums* told, DaySums* stored, FeedTerm term);

    Analytics& analytics_;
    Recorder& recorder_;
    std::int64_t width_ = 16;  // keys
};

}  // namespace loadstone::analytics::internal
