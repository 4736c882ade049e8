#pragma once
// learning's own: pings, which tell how far a learner has come in a lesson. There are more of them
// than of all other writes, so those that complete nothing are coalesced: what comes while some are
// written goes with the next transaction, the greatest position of each learner and lesson.

#include <cstdint>

#include "campus/learning/commands.h"
#include "loadstone/store/coalesced_writes.h"

namespace campus::learning {

// One of a batch.
struct NotedPosition {
    courses::CourseId course_id;
    accounts::UserId user_id;
    courses::LessonId lesson_id;
    std::int64_t position_s = 0;
};
BOOST_DESCRIBE_STRUCT(NotedPosition, (), (course_id, user_id, lesson_id, position_s))

// Who is active in a course on a day for the first time.
struct ActiveLearner {
    courses::CourseId course_id;
    accounts::UserId user_id;
};
BOOST_DESCRIBE_STRUCT(ActiveLearner, (), (course_id, user_id))

extern const loadstone::store::CoalescedWrite<NotedPosition, std::int64_t> note_positions;

// As note_progress(), which a ping that completes its lesson has for itself.
loadstone::Task<std::int64_t> note_ping(loadstone::Context& context, Ping ping);

}  // namespace campus::learning
