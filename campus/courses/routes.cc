#include "campus/courses/routes.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "campus/courses/commands.h"
#include "campus/courses/queries.h"
#include "campus/courses/title_key.h"
#include "loadstone/base/error.h"
#include "loadstone/runtime/certain_reads.h"

namespace campus::courses {

using namespace loadstone;

namespace {

constexpr std::size_t title_max = 200;
constexpr std::size_t description_max = 10'000;
constexpr std::size_t prerequisites_max = 20;
constexpr std::int64_t length_s_max = 24 * 3'600;

struct CourseDraft {
    std::string title, description;
    std::int64_t capacity = 1;
    std::optional<std::vector<CourseId>> prerequisites;
};
BOOST_DESCRIBE_STRUCT(CourseDraft, (), (title, description, capacity, prerequisites))

void validate(Check& check, const CourseDraft& in) {
    check.line("title", in.title, 1, title_max);
    check.that("title", in.title.find(behind_all) == std::string::npos,
               "must not contain U+10FFFF, which is no character");
    check.length("description", in.description, 0, description_max);
    check.range("capacity", in.capacity, 1, capacity_max);
    check.that("prerequisites", !in.prerequisites || in.prerequisites->size() <= prerequisites_max,
               fmt::format("must be at most {}", prerequisites_max));
}

struct LessonDraft {
    std::string title;
    std::int64_t length_s = 1;
};
BOOST_DESCRIBE_STRUCT(LessonDraft, (), (title, length_s))

void validate(Check& check, const LessonDraft& in) {
    check.line("title", in.title, 1, title_max);
    check.range("length_s", in.length_s, 1, length_s_max);
}

struct QuizDraft {
    std::string title;
    std::int64_t points_max = 1, weight = 0;
};
BOOST_DESCRIBE_STRUCT(QuizDraft, (), (title, points_max, weight))

void validate(Check& check, const QuizDraft& in) {
    check.line("title", in.title, 1, title_max);
    check.range("points_max", in.points_max, 1, points_max_max);
    check.range("weight", in.weight, 0, weight_max);
}

struct CreatedCourse {
    CourseId id;
};
BOOST_DESCRIBE_STRUCT(CreatedCourse, (), (id))
struct AddedLesson {
    LessonId id;
};
BOOST_DESCRIBE_STRUCT(AddedLesson, (), (id))
struct AddedQuiz {
    QuizId id;
};
BOOST_DESCRIBE_STRUCT(AddedQuiz, (), (id))

struct PageOfCatalogue {
    std::optional<std::string> title;  // what titles begin with
    std::optional<std::int64_t> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfCatalogue, (), (title, after, limit))

void validate(Check& check, const PageOfCatalogue& page) {
    check.length("title", page.title.value_or(""), 0, title_max);
    check.range("after", page.after.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct CatalogueEntry {
    CourseId id;
    std::string title;
    accounts::UserId instructor;
    std::int64_t capacity = 0, lessons = 0;
};
BOOST_DESCRIBE_STRUCT(CatalogueEntry, (), (id, title, instructor, capacity, lessons))

struct Catalogue {
    std::vector<CatalogueEntry> courses;
    std::optional<CourseId> next_after;  // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Catalogue, (), (courses, next_after))

struct Instructor {
    accounts::UserId id;
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Instructor, (), (id, name))

struct ShownQuiz {
    QuizId id;
    std::string title;
    std::int64_t points_max = 0, weight = 0;
};
BOOST_DESCRIBE_STRUCT(ShownQuiz, (), (id, title, points_max, weight))

struct ShownLesson {
    LessonId id;
    std::int64_t number = 0;
    std::string title;
    std::int64_t length_s = 0;
    std::vector<ShownQuiz> quizzes;
};
BOOST_DESCRIBE_STRUCT(ShownLesson, (), (id, number, title, length_s, quizzes))

struct RequiredCourse {
    CourseId id;
    std::string title;
};
BOOST_DESCRIBE_STRUCT(RequiredCourse, (), (id, title))

struct CoursePage {
    CourseId id;
    std::string title, description;
    Instructor instructor;
    std::int64_t capacity = 0;
    std::string state;  // draft, published
    Timestamp created_at;
    std::optional<Timestamp> published_at;
    std::vector<RequiredCourse> prerequisites;
    std::vector<ShownLesson> lessons;
};
BOOST_DESCRIBE_STRUCT(CoursePage, (),
                      (id, title, description, instructor, capacity, state, created_at,
                       published_at, prerequisites, lessons))

accounts::UserId user_of(Context& context) {
    return accounts::UserId(context.require_session().user);
}

Task<Reply<CreatedCourse, 201>> make_course(Context& context, const Request& request,
                                            Body<CourseDraft> in) {
    NewCourse course;
    course.title = in->title;
    course.description = in->description;
    course.instructor = user_of(context);
    course.capacity = in->capacity;
    course.prerequisites = in->prerequisites.value_or(std::vector<CourseId>());
    std::ranges::sort(course.prerequisites);
    const auto doubled = std::ranges::unique(course.prerequisites);
    course.prerequisites.erase(doubled.begin(), doubled.end());
    course.address = request.address();
    const CourseId id = co_await context.write(create_course, course);
    Reply<CreatedCourse, 201> reply{{id}};
    reply.headers.emplace_back("Location", fmt::format("/api/courses/{}", id.value));
    co_return reply;
}

Task<Reply<AddedLesson, 201>> make_lesson(Context& context, Path<CourseId> course,
                                          Body<LessonDraft> in) {
    NewLesson lesson;
    lesson.course = course.value;
    lesson.instructor = user_of(context);
    lesson.title = in->title;
    lesson.length_s = in->length_s;
    const LessonId id = co_await context.write(add_lesson, lesson);
    Reply<AddedLesson, 201> reply{{id}};
    co_return reply;
}

Task<Reply<AddedQuiz, 201>> make_quiz(Context& context, Path<CourseId> course,
                                      Path<LessonId> lesson, Body<QuizDraft> in) {
    NewQuiz quiz;
    quiz.course = course.value;
    quiz.lesson = lesson.value;
    quiz.instructor = user_of(context);
    quiz.title = in->title;
    quiz.points_max = in->points_max;
    quiz.weight = in->weight;
    const QuizId id = co_await context.write(add_quiz, quiz);
    Reply<AddedQuiz, 201> reply{{id}};
    co_return reply;
}

Task<Response> publish(Context& context, const Request& request, Path<CourseId> course) {
    const accounts::UserId instructor = user_of(context);
    const std::string address(request.address());
    co_await context.write(publish_course, course.value, instructor, address);
    co_return net::no_content();
}

Task<Reply<Catalogue>> show_catalogue(Context& context, Parameters<PageOfCatalogue> page) {
    const Reader reader = context.reader(within(catalogue_age_max));
    std::optional<sql::CatalogueCursor> after;
    if (page->after) {
        const CourseId last(*page->after);
        auto place = co_await sql::place_in_catalogue(reader, last);
        if (!place) throw Error(Errc::invalid_argument, "is no course").with_field("after");
        after.emplace().title_key = std::move(place->title_key);
        after->id = place->id;
    }
    const std::string prefix = page->title.value_or("");
    auto found = co_await catalogue(reader, prefix, page->limit.value_or(50), after);
    Reply<Catalogue> reply;
    if (found.next) reply.body.next_after = found.next->id;
    for (sql::CatalogueRow& row : found.rows) {
        reply.body.courses.push_back(
            {row.id, std::move(row.title), row.instructor_id, row.capacity, row.lesson_count});
    }
    co_return reply;
}

std::vector<ShownLesson> with_quizzes(std::vector<Lesson> lessons, std::vector<Quiz> quizzes) {
    std::vector<ShownLesson> shown;
    for (Lesson& lesson : lessons) {
        ShownLesson& one = shown.emplace_back();
        one.id = lesson.id;
        one.number = lesson.number;
        one.title = std::move(lesson.title);
        one.length_s = lesson.length_s;
        for (Quiz& quiz : quizzes) {
            if (quiz.lesson_id == lesson.id)
                one.quizzes.push_back(
                    {quiz.id, std::move(quiz.title), quiz.points_max, quiz.weight});
        }
    }
    return shown;
}

// A draft is its instructor's alone, and not found for others.
Task<Reply<CoursePage>> show_course(Context& context, Path<CourseId> id) {
    const Reader reader = context.reader(within(catalogue_age_max));
    auto course = co_await sql::course_page(reader, id.value);
    if (course && course->state != "published" && context.reading().is_behind()) {
        const runtime::CertainReads certain(context.reading());
        course = co_await sql::course_page(reader, id.value);
    }
    const bool is_own =
        course && context.session() && course->instructor_id.value == context.session()->user;
    if (!course || (course->state != "published" && !is_own))
        throw Error(Errc::not_found, fmt::format("there is no course {}", id.value.value));
    const auto instructor = co_await accounts::recipient(reader, course->instructor_id);
    auto lesson_rows = co_await lessons(reader, course->id);
    auto quiz_rows = co_await quizzes(reader, course->id);
    Reply<CoursePage> reply;
    CoursePage& page = reply.body;
    page.id = course->id;
    page.title = std::move(course->title);
    page.description = std::move(course->description);
    page.instructor.id = course->instructor_id;
    if (instructor) page.instructor.name = instructor->name;
    page.capacity = course->capacity;
    page.state = std::move(course->state);
    page.created_at = course->created_at;
    page.published_at = course->published_at;
    auto required_courses = co_await sql::required_courses(reader, course->id);
    for (sql::RequiredCourse& required : required_courses)
        page.prerequisites.push_back({required.id, std::move(required.title)});
    page.lessons = with_quizzes(std::move(lesson_rows), std::move(quiz_rows));
    co_return reply;
}

}  // namespace

void routes(Routes& routes) {
    routes.post("/api/courses", make_course)
        .summary_is("Make a course, a draft that only its instructor sees")
        .may_answer(403)
        .limit_per_address(60, std::chrono::seconds(60));
    routes.get("/api/courses", show_catalogue)
        .summary_is("The published courses by title, or those whose titles begin with one")
        .stale_allowed(catalogue_stale_max)
        .open_to_all();
    routes.get("/api/courses/{course}", show_course)
        .summary_is("A course with its lessons and their quizzes")
        .stale_allowed(catalogue_stale_max)
        .session_optional()
        .may_answer(404);
    routes.post("/api/courses/{course}/publish", publish)
        .summary_is("Publish a course of one's own")
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
    routes.post("/api/courses/{course}/lessons", make_lesson)
        .summary_is("Add a lesson behind the last one of a course of one's own")
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
    routes.post("/api/courses/{course}/lessons/{lesson}/quizzes", make_quiz)
        .summary_is("Add a quiz to a lesson of a course of one's own")
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
}

}  // namespace campus::courses
