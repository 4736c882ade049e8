#pragma once
// learning's own: on which days learners were active. The same rows tell the dashboards that read
// views, and by a fact each those of the column store.

#include <vector>

#include "campus/learning/learning.h"

namespace campus::learning {

namespace sql {
struct EnrolmentRow;
}

struct Done {
    loadstone::Timestamp at;
    std::int64_t lessons = 0;   // completed
    std::int64_t attempts = 0;  // at quizzes
};
// With what was done, in its transaction; `enrolment` as that has read it. A lesson that goes on
// costs nothing if its learner was active in the course on that day (UTC) before.
loadstone::Task<void> note_activity(loadstone::Tx& tx, sql::EnrolmentRow enrolment, Done done);

// A row of active_days.
struct SeededDay {
    courses::CourseId course_id;
    std::int64_t day = 0;
    accounts::UserId user_id;
    loadstone::Timestamp active_at;
    std::int64_t lessons = 0, attempts = 0;
};
BOOST_DESCRIBE_STRUCT(SeededDay, (), (course_id, day, user_id, active_at, lessons, attempts))
// Those of seeded learners, by course, day and learner. REQUIRES all that these have.
std::vector<SeededDay> days_of(const SeededLearning& learning);
// Notes the last one of each enrolment with it.
void note_last_days(std::vector<SeededEnrolment>& enrolments, const std::vector<SeededDay>& days);

}  // namespace campus::learning
