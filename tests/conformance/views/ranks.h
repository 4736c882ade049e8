#pragma once
// A ranked sum of the table `scores`, and commands that change it: courses by their points, in the
// groups of their faculties.

#include <utility>
#include <vector>

#include "loadstone/cache/aggregate.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/views/node.h"

namespace tests::conformance::views {

namespace cache = loadstone::cache;

extern const cache::Aggregate points_ranked;

using Places = std::vector<std::pair<std::int64_t, std::int64_t>>;  // course, points

// A course has a faculty before it has points.
Task<void> found_course(Context& context, std::int64_t course, std::int64_t faculty);
// Courses 1 to `last`, of faculties 0 and 1 in turn.
Task<void> found_courses(Context& context, std::int64_t last);
Task<void> move_course(Context& context, std::int64_t course, std::int64_t faculty);
Task<void> award(Context& context, std::int64_t course, std::int64_t user, std::int64_t points);
Task<void> revoke(Context& context, std::int64_t course, std::int64_t user);
// In one transaction: one course is moved, another one gets points.
Task<void> move_and_award(Context& context, std::int64_t moved, std::int64_t faculty,
                          std::int64_t course, std::int64_t user, std::int64_t points);
// Rolled back.
Task<void> award_and_fail(Context& context, std::int64_t course, std::int64_t user);

// Faculty 0: of all.
Task<Places> kept_top(Context& context, std::int64_t faculty, int count);
// What is kept and what would be counted, in one snapshot. How many of the lists of all and of each
// of `faculties` differ, for each length up to 4.
Task<std::int64_t> wrong_tops(Context& context, std::int64_t faculties);
Task<std::int64_t> rank_differences(Context& context, bool mends);
Task<std::int64_t> build_ranks(Context& context);
Task<void> fold(Context& context, Node* node);
// Deltas that a node has folded.
std::uint64_t folded(Node& node);

}  // namespace tests::conformance::views
