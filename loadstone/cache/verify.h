#pragma once
// Verify: compares what aggregates keep with what their statements find, mends it, and builds them.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loadstone/base/function_ref.h"
#include "loadstone/cache/aggregate.h"
#include "loadstone/runtime/context.h"

namespace loadstone::cache {

struct Difference {
    std::int64_t key = 0;
    std::optional<std::int64_t> kept, true_value;
    std::optional<std::int64_t> kept_group{}, true_group{};  // of a ranked sum
};
BOOST_DESCRIBE_STRUCT(Difference, (), (key, kept, true_value, kept_group, true_group))

struct Verified {
    std::string aggregate;
    std::int64_t keys = 0;                // that were compared
    std::int64_t different = 0;           // of these
    std::int64_t mended = 0;              // of these
    std::vector<Difference> differences;  // the first of them, shown_max at most
};
BOOST_DESCRIBE_STRUCT(Verified, (), (aggregate, keys, different, mended, differences))

struct VerifyOptions {
    bool mends = false;
    std::size_t shown_max = 100;
    // Keys of a batch: what takes about this long, so that on SQLite writers wait no longer.
    std::chrono::milliseconds batch_time{10};
    std::int64_t batch_keys_max = 1'000;
};

// The greatest key that was compared, and the greatest that is kept, roughly.
using VerifyProgress = FunctionRef<void(std::int64_t key, std::int64_t last)>;

// All keys, in batches, while writes go on: each is one transaction, which reads both sides in one
// snapshot, and what it mends it adds to what is kept (docs/internals/aggregates.md). Two at once
// do no harm. Errors: those of the database; conflict if a key of a greatest or least value was
// written too often to mend it.
Task<Verified> verify(const runtime::Services& services, const Aggregate& aggregate,
                      VerifyOptions options, VerifyProgress progress);

// Verifies and mends those that were never built, and says then that they may be read. Gives how
// many there were. What `progress` throws ends it; it begins anew the next time.
Task<std::size_t> build(const runtime::Services& services, std::vector<const Aggregate*> aggregates,
                        VerifyProgress progress);

}  // namespace loadstone::cache
