#include "campus/learning/routes.h"

#include <fmt/core.h>

#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "campus/learning/commands.h"
#include "campus/learning/pings.h"
#include "campus/learning/progress_csv.h"
#include "campus/learning/queries.h"
#include "campus/learning/request_course.h"
#include "loadstone/base/error.h"

namespace campus::learning {

using namespace loadstone;

namespace {

struct Enrolled {
    courses::CourseId course;
    Timestamp enrolled_at;
};
BOOST_DESCRIBE_STRUCT(Enrolled, (), (course, enrolled_at))

struct Enrolment {
    courses::CourseId course;
    Timestamp enrolled_at;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(Enrolment, (), (course, enrolled_at, lessons_completed))

struct PageOfEnrolments {
    std::optional<std::int64_t> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfEnrolments, (), (after, limit))

void validate(Check& check, const PageOfEnrolments& page) {
    check.range("after", page.after.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct Enrolments {
    std::vector<Enrolment> enrolments;
    std::optional<courses::CourseId> next_after;  // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Enrolments, (), (enrolments, next_after))

struct Seats {
    courses::CourseId course;
    std::int64_t capacity = 0, taken = 0;
};
BOOST_DESCRIBE_STRUCT(Seats, (), (course, capacity, taken))

struct Position {
    std::int64_t position_s = 0;
};
BOOST_DESCRIBE_STRUCT(Position, (), (position_s))

void validate(Check& check, const Position& in) {
    check.range("position_s", in.position_s, 0, std::numeric_limits<std::int64_t>::max());
}

struct LessonProgress {
    courses::LessonId lesson;
    std::int64_t number = 0;
    std::string title;
    std::int64_t length_s = 0, position_s = 0;
    std::optional<Timestamp> completed_at;
};
BOOST_DESCRIBE_STRUCT(LessonProgress, (),
                      (lesson, number, title, length_s, position_s, completed_at))

struct CourseProgress {
    courses::CourseId course;
    std::int64_t lessons_completed = 0;
    std::optional<Timestamp> completed_at;
    std::vector<LessonProgress> lessons;
};
BOOST_DESCRIBE_STRUCT(CourseProgress, (), (course, lessons_completed, completed_at, lessons))

struct Points {
    std::int64_t points = 0;
};
BOOST_DESCRIBE_STRUCT(Points, (), (points))

void validate(Check& check, const Points& in) {
    check.range("points", in.points, 0, courses::points_max_max);
}

Task<void> require_prerequisites(Context& context, courses::CourseId course,
                                 accounts::UserId user) {
    const auto required = co_await courses::prerequisites(context.reader(), course);
    if (required.empty()) co_return;
    const auto completed = co_await sql::completed_among(context.reader(), user, required);
    const auto wanted = static_cast<std::int64_t>(required.size());
    if (completed < wanted)
        throw Error(Errc::conflict,
                    fmt::format("{} of the {} prerequisites of course {} are completed", completed,
                                wanted, course.value));
}

// Whom a full course refuses has no transaction, so that a run on it costs reads alone. With an
// Idempotency-Key one is needed: it may be the answer of before that is wanted again.
Task<Reply<Enrolled, 201>> begin_course(Context& context, const Request& request,
                                        Path<courses::CourseId> id) {
    NewEnrolment in;
    in.course = co_await published_course(context, id.value);
    in.user = user_of(context);
    in.address = request.address();
    if (!context.idempotency()) {
        const auto before = co_await sql::enrolment(context.reader(), in.course.id, in.user);
        if (before) throw is_enrolled(in.course.id);
        const auto taken = co_await seats_taken(context.reader(), in.course.id);
        if (taken >= in.course.capacity) throw course_is_full(in.course);
    }
    co_await require_prerequisites(context, in.course.id, in.user);
    const Timestamp at = co_await context.write(enrol, in);
    Reply<Enrolled, 201> reply{{in.course.id, at}};
    co_return reply;
}

Task<Response> leave_course(Context& context, const Request& request,
                            Path<courses::CourseId> course) {
    const std::string address(request.address());
    co_await context.write(leave, course.value, user_of(context), address);
    co_return net::no_content();
}

Task<Reply<Enrolments>> own_enrolments(Context& context, Parameters<PageOfEnrolments> page) {
    std::optional<sql::EnrolmentsOfUserCursor> after;
    if (page->after) after.emplace().course_id = courses::CourseId(*page->after);
    const auto found = co_await sql::enrolments_of_user(context.reader(), user_of(context),
                                                        page->limit.value_or(50), after);
    Reply<Enrolments> reply;
    if (found.next) reply.body.next_after = found.next->course_id;
    for (const sql::EnrolmentRow& row : found.rows)
        reply.body.enrolments.push_back({row.course_id, row.enrolled_at, row.lessons_completed});
    co_return reply;
}

Task<Reply<Seats>> show_seats(Context& context, Path<courses::CourseId> id) {
    const courses::Course course = co_await published_course(context, id.value);
    const auto taken = co_await seats_taken(context.reader(), course.id);
    Reply<Seats> reply{{course.id, course.capacity, taken}};
    co_return reply;
}

Task<Reply<Position>> ping(Context& context, Path<courses::CourseId> course,
                           Path<courses::LessonId> id, Body<Position> in) {
    co_await published_course(context, course.value);
    const auto lesson = co_await courses::lesson_by_id(context.reader(), id.value);
    if (!lesson || lesson->course_id != course.value)
        throw Error(Errc::not_found,
                    fmt::format("course {} has no lesson {}", course.value.value, id.value.value));
    if (in->position_s > lesson->length_s)
        throw Error(Errc::invalid_argument,
                    fmt::format("must be at most {}, the lesson's length", lesson->length_s))
            .with_field("position_s");
    const Ping note{*lesson, user_of(context), in->position_s};
    const auto greatest = co_await note_ping(context, note);
    Reply<Position> reply{{greatest}};
    co_return reply;
}

Task<Reply<CourseProgress>> own_progress(Context& context, Path<courses::CourseId> id) {
    const courses::Course course = co_await published_course(context, id.value);
    const accounts::UserId user = user_of(context);
    const auto all = co_await courses::lessons(context.reader(), course.id);
    const auto begun = co_await sql::progress_of_course(context.reader(), user, course.id);
    std::unordered_map<courses::LessonId, sql::ProgressRow> of_lesson;
    for (const sql::ProgressRow& row : begun) of_lesson[row.lesson_id] = row;
    Reply<CourseProgress> reply;
    reply.body.course = course.id;
    reply.body.completed_at = co_await sql::completion(context.reader(), user, course.id);
    for (const courses::Lesson& lesson : all) {
        const sql::ProgressRow& row = of_lesson[lesson.id];
        if (row.completed_at) ++reply.body.lessons_completed;
        reply.body.lessons.push_back({lesson.id, lesson.number, lesson.title, lesson.length_s,
                                      row.position_s, row.completed_at});
    }
    co_return reply;
}

Task<Response> export_progress(Context& context, Path<courses::CourseId> id) {
    const courses::Course course = co_await own_course(context, id.value);
    Response response;
    response.content_type = "text/csv; charset=utf-8";
    response.stream = progress_csv(course.id);
    response.set_header(
        "Content-Disposition",
        fmt::format("attachment; filename=\"progress-of-course-{}.csv\"", course.id.value));
    response.set_header("Cache-Control", "private, no-store");
    co_return response;
}

Task<Reply<RecordedAttempt, 201>> attempt(Context& context, Path<courses::CourseId> course,
                                          Path<courses::QuizId> id, Body<Points> in) {
    co_await published_course(context, course.value);
    const auto quiz = co_await courses::quiz_by_id(context.reader(), id.value);
    if (!quiz || quiz->course_id != course.value)
        throw Error(Errc::not_found,
                    fmt::format("course {} has no quiz {}", course.value.value, id.value.value));
    if (in->points > quiz->points_max)
        throw Error(Errc::invalid_argument,
                    fmt::format("must be at most {}, what the quiz has", quiz->points_max))
            .with_field("points");
    const NewAttempt made{*quiz, user_of(context), in->points};
    const auto recorded = co_await context.write(record_attempt, made);
    Reply<RecordedAttempt, 201> reply{recorded};
    co_return reply;
}

}  // namespace

void routes(Routes& routes) {
    routes.get("/api/enrolments", own_enrolments).summary_is("The courses that one takes part in");
    popular_routes(routes);
    grade_routes(routes);
    routes.get("/api/courses/{course}/seats", show_seats)
        .summary_is("How many seats of a course are taken")
        .open_to_all()
        .may_answer(404);
    routes.post("/api/courses/{course}/enrolment", begin_course)
        .summary_is("Take a seat in a course")
        .may_answer(404)
        .may_answer(409);
    routes.remove("/api/courses/{course}/enrolment", leave_course)
        .summary_is("Leave a course; the seat is free again")
        .may_answer(404);
    routes.get("/api/courses/{course}/progress", own_progress)
        .summary_is("How far one has come in a course")
        .may_answer(404);
    routes.get("/api/courses/{course}/progress.csv", export_progress)
        .summary_is("How far everybody has come in a course of one's own, as CSV")
        .heavy_on_reads()
        .limit_per_address(20, std::chrono::seconds(60))
        .may_answer(403)
        .may_answer(404);
    routes.post("/api/courses/{course}/lessons/{lesson}/progress", ping)
        .summary_is("How far one has come in a lesson; the greatest position is kept")
        .body_max(1024)
        .may_answer(403)
        .may_answer(404);
    routes.post("/api/courses/{course}/quizzes/{quiz}/attempts", attempt)
        .summary_is("An attempt at a quiz; the best one counts")
        .body_max(1024)
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
}

}  // namespace campus::learning
