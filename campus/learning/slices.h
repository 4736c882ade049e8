#pragma once
// The learners of a course, cut into slices that are graded one by one. Pure.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "campus/accounts/accounts.h"
#include "loadstone/base/describe.h"

namespace campus::learning {

// A slice is one transaction and one read of best points: with quizzes_max quizzes, 40,000 rows.
inline constexpr std::int64_t learners_in_slice = 200;

// Users in (after_user, last_user].
struct Slice {
    std::int64_t number = 0;  // from 1
    accounts::UserId after_user, last_user;
    std::int64_t learners = 0;
};
BOOST_DESCRIBE_STRUCT(Slice, (), (number, after_user, last_user, learners))

class SlicePlan {
public:
    // REQUIRES ids that rise from call to call, above 0.
    void add(accounts::UserId learner);

    const std::vector<Slice>& slices() const noexcept { return slices_; }
    std::int64_t learners() const noexcept { return learners_; }

private:
    std::vector<Slice> slices_;
    std::int64_t learners_ = 0;
};

}  // namespace campus::learning
