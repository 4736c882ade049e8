#include "campus/learning/slices.h"

#include "loadstone/base/assert.h"

namespace campus::learning {

void SlicePlan::add(accounts::UserId learner) {
    const accounts::UserId last = slices_.empty() ? accounts::UserId() : slices_.back().last_user;
    LOADSTONE_ASSERT(last < learner, "learners are planned in the order of their ids, each once");
    if (slices_.empty() || slices_.back().learners == learners_in_slice) {
        Slice next;
        next.number = static_cast<std::int64_t>(slices_.size()) + 1;
        next.after_user = last;
        slices_.push_back(next);
    }
    slices_.back().last_user = learner;
    ++slices_.back().learners;
    ++learners_;
}

}  // namespace campus::learning
