#include <algorithm>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>

#include "campus/learning/activity.h"
#include "campus/learning/grading.h"
#include "campus/learning/queries.h"
#include "campus/learning/sql.h"
#include "campus/learning/views.h"
#include "loadstone/analytics/work.h"
#include "loadstone/base/json.h"

namespace campus::learning {

using namespace loadstone;

namespace {

constexpr int learners_at_once = 5'000;

Task<std::vector<Grade>> all_grades(Tx& tx, courses::CourseId course, Timestamp before,
                                    std::vector<WeighedQuiz> scheme) {
    std::vector<Grade> grades;
    std::optional<sql::LearnersCursor> after;
    do {
        const auto page = co_await sql::learners(tx, course, before, learners_at_once, after);
        if (page.rows.empty()) break;
        std::vector<accounts::UserId> learners;
        for (const sql::LearnersRow& row : page.rows) learners.push_back(row.user_id);
        std::vector<BestPoints> best;
        const auto sink = [&best](const BestPoints& points) { best.push_back(points); };
        const accounts::UserId before_first(learners.front().value - 1);
        co_await sql::best_points(tx, sink, course, before_first, learners.back(), before);
        const auto some = grades_of(scheme, learners, best);
        std::ranges::copy(some, std::back_inserter(grades));
        after = page.next;
    } while (after);
    co_return grades;
}

Task<void> add_enrolled(Tx& tx, std::vector<SeededEnrolment> enrolments) {
    std::unordered_map<courses::CourseId, std::int64_t> enrolled;
    for (const SeededEnrolment& each : enrolments) ++enrolled[each.course_id];
    std::vector<courses::CourseId> ids;
    for (const auto& [course, count] : enrolled) ids.push_back(course);
    const auto organisations = co_await organisations_of(tx, std::move(ids));
    for (const auto& [course, count] : enrolled) {
        const auto found = organisations.find(course);
        std::optional<organisations::OrganisationId> organisation;
        if (found != organisations.end()) organisation = found->second;
        cache::add(tx, enrolled_in_course, course, count, organisation);
    }
}

}  // namespace

Task<void> seed_learning(Tx& tx, SeededLearning in) {
    const std::vector<SeededDay> days = days_of(in);
    note_last_days(in.enrolments, days);
    co_await sql::seed_seats(tx, in.enrolments);
    co_await sql::seed_enrolments(tx, in.enrolments);
    co_await add_enrolled(tx, in.enrolments);
    co_await sql::seed_progress(tx, in.progress);
    co_await sql::seed_completions(tx, in.completions);
    for (const SeededCompletion& each : in.completions) {
        cache::add(tx, completions_of_course, each.course_id, 1);
        cache::include(tx, first_completion_of_course, each.course_id, each.completed_at.micros);
        cache::include(tx, last_completion_of_course, each.course_id, each.completed_at.micros);
    }
    co_await sql::seed_attempts(tx, in.attempts);
    co_await sql::seed_active_days(tx, days);
    co_await analytics::rebuild_all(tx);  // these are rows without facts
}

Task<std::int64_t> seed_grades(Tx& tx, SeededRun in) {
    const std::vector<WeighedQuiz> scheme = weighed(in.quizzes);
    if (scheme.empty()) co_return 0;
    const auto grades = co_await all_grades(tx, in.course, in.started_at, scheme);
    Statistics total;
    for (const Grade& grade : grades) total.add(grade);
    const std::string scheme_json = to_json(scheme);
    const std::string buckets = to_json(total.buckets);
    const RunId run =
        co_await sql::seed_run(tx, in.course, in.instructor, scheme_json, total.graded,
                               total.graded, total.grade_sum, buckets, in.started_at, in.ended_at);
    for (std::size_t from = 0; from < grades.size(); from += learners_at_once) {
        const auto until = std::min(from + learners_at_once, grades.size());
        const std::vector<Grade> some(grades.begin() + static_cast<std::ptrdiff_t>(from),
                                      grades.begin() + static_cast<std::ptrdiff_t>(until));
        co_await put_grades(tx, in.course, run, some, in.ended_at);
    }
    co_return total.graded;
}

}  // namespace campus::learning
