#include "campus/learning/facts.h"

#include "campus/learning/sql.h"

namespace campus::learning {

using namespace loadstone;

namespace {

constexpr analytics::Query activity_by_day{
    "learning.activity_by_day",
    "select date_trunc('day', happened_at)::timestamp as day, "
    "count(distinct learner) filter (where kind = 'active') as learners, "
    "count(*) filter (where kind = 'lesson_completed') as lessons, "
    "count(*) filter (where kind = 'quiz_attempted') as attempts "
    "from learning_activity where course = $1 and happened_at >= make_timestamp($2) "
    "and kind in ('active', 'lesson_completed', 'quiz_attempted') group by 1 order by 1",
    "select intDiv(happened_at, 86400000000) * 86400000000 as day, "
    "uniqExactIf(learner, kind = 'active') as learners, "
    "countIf(kind = 'lesson_completed') as lessons, countIf(kind = 'quiz_attempted') as attempts "
    "from learning_activity where course = $1 and happened_at >= $2 "
    "and kind in ('active', 'lesson_completed', 'quiz_attempted') group by day order by day"};

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
}

Task<ActivityByDay> activity_by_day_of(Context& context, courses::CourseId course,
                                       Timestamp since) {
    auto found =
        co_await analytics::query<FactsOfDay>(context, activity_by_day, course, since.micros);
    ActivityByDay answer;
    answer.days = std::move(found.rows);
    answer.as_of = found.as_of;
    co_return answer;
}

}  // namespace campus::learning
