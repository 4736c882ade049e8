// What is asked of the column store.

#include <utility>

#include "campus/learning/facts_sql.h"
#include "campus/learning/learning.h"
#include "loadstone/analytics/export.h"

namespace campus::learning {

using namespace loadstone;

namespace {

ActivityByDay by_day(analytics::Answer<FactsOfDay> found) {
    return {std::move(found.rows), found.as_of};
}

}  // namespace

Task<analytics::ExportedFile> export_activity(Context& context,
                                              std::vector<courses::CourseId> courses, Period period,
                                              std::string name) {
    co_return co_await facts_sql::activity_of_period(context, std::move(name), courses, period.from,
                                                     period.to);
}

Task<analytics::Single<Progress>> progress_of(Context& context, std::vector<CourseSize> courses,
                                              Timestamp idle_since) {
    co_return co_await facts_sql::progress(context, courses, idle_since);
}

Task<analytics::Answer<BusyCourse>> busiest(Context& context,
                                            std::vector<courses::CourseId> courses,
                                            Timestamp since) {
    co_return co_await facts_sql::busiest_courses(context, courses, since);
}

Task<analytics::Answer<IdleLearner>> longest_idle_of(Context& context,
                                                     std::vector<CourseSize> courses,
                                                     Timestamp since) {
    co_return co_await facts_sql::longest_idle(context, courses, since);
}

Task<analytics::Answer<ScoreBand>> scores_of(Context& context,
                                             std::vector<courses::CourseId> courses) {
    co_return co_await facts_sql::scores(context, courses);
}

Task<ActivityByDay> activity_by_day_of(Context& context, courses::CourseId course,
                                       Timestamp since) {
    auto found = co_await facts_sql::activity_by_day_of(context, course, since);
    co_return by_day(std::move(found));
}

Task<ActivityByDay> activity_by_day_among(Context& context, std::vector<courses::CourseId> courses,
                                          Timestamp since) {
    auto found = co_await facts_sql::activity_by_day_among(context, courses, since);
    co_return by_day(std::move(found));
}

}  // namespace campus::learning
