#pragma once
// The aggregates of the table `scores`, and commands that change it and them.

#include <array>

#include "loadstone/cache/aggregate.h"
#include "tests/conformance/conformance.h"

namespace tests::conformance::views {

namespace cache = loadstone::cache;

extern const cache::Aggregate learners_of, points_of_all, best_of, worst_of;
inline const std::array<const cache::Aggregate*, 4> aggregates{&learners_of, &points_of_all,
                                                               &best_of, &worst_of};

// Together for tests: the answers of one key.
struct Standing {
    std::int64_t learners = 0, points = 0;
    std::optional<std::int64_t> best, worst;
    bool operator==(const Standing&) const = default;
};

Task<void> put_score(Context& context, std::int64_t course, std::int64_t user, std::int64_t points);
Task<void> remove_score(Context& context, std::int64_t course, std::int64_t user);
// Rolled back.
Task<void> put_score_and_fail(Context& context, std::int64_t course, std::int64_t user);
Task<Standing> kept_standing(Context& context, std::int64_t course);
Task<Standing> true_standing(Context& context, std::int64_t course);
// Verified, each one; how many keys differ.
Task<std::int64_t> differences(Context& context, bool mends);
Task<std::int64_t> build_all(Context& context);

}  // namespace tests::conformance::views
