#include "campus/learning/facts.h"

#include "campus/learning/facts_sql.h"
#include "campus/learning/sql.h"

namespace campus::learning {

using namespace loadstone;

namespace {

Task<std::uint64_t> activity_of_courses(Reader reader, std::int64_t from, std::int64_t end,
                                        FunctionRef<void(const Activity&)> sink) {
    const courses::CourseId first(from), behind(end);
    co_return co_await sql::activity_of_courses(reader, sink, first, behind);
}

Task<std::int64_t> last_course(Reader reader) { return sql::last_course(reader); }

}  // namespace

Activity activity(Timestamp at, courses::CourseId course, accounts::UserId learner,
                  const char* kind) {
    Activity fact;
    fact.happened_at = at;
    fact.course = course;
    fact.learner = learner;
    fact.kind = kind;
    return fact;
}

void facts(Facts& facts) {
    facts.table<Activity>("learning_activity")
        .back_filled_by<Activity>("course", activity_of_courses, last_course)
        .rolled_up("learning_progress", Rollup({"course", "learner"})
                                            .max("last_active", "happened_at")
                                            .max("last_day", "happened_at", {"kind", "active"})
                                            .count("days", {"kind", "active"})
                                            .count("enrolments", {"kind", "enrolled"})
                                            .count("departures", {"kind", "left"})
                                            .count("lessons", {"kind", "lesson_completed"})
                                            .count("attempts", {"kind", "quiz_attempted"})
                                            .count("completions", {"kind", "course_completed"}))
        .rolled_up("learning_scores", Rollup({"course", "points", "points_max"})
                                          .count("attempts", {"kind", "quiz_attempted"}));
    facts.asked(facts_sql::tables);
}

}  // namespace campus::learning
