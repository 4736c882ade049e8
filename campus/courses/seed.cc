#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "campus/courses/courses.h"
#include "campus/courses/sql.h"
#include "campus/courses/title_key.h"
#include "loadstone/base/assert.h"

namespace campus::courses {

using namespace loadstone;

namespace {

sql::SeedCoursesCourses row_of(const SeededCourse& course) {
    sql::SeedCoursesCourses row;
    row.title = course.title;
    row.title_key = title_key(course.title);
    row.description = course.description;
    row.instructor_id = course.instructor_id;
    row.organisation_id = course.organisation_id;
    row.capacity = course.capacity;
    row.state = course.published_at ? "published" : "draft";
    row.lesson_count = static_cast<std::int64_t>(course.lessons.size());
    row.quiz_count = std::ranges::count_if(
        course.lessons, [](const SeededLesson& lesson) { return lesson.quiz.has_value(); });
    row.created_at = course.created_at;
    row.published_at = course.published_at;
    return row;
}

std::vector<sql::SeedLessonsLessons> lessons_of(const std::vector<SeededCourse>& courses,
                                                const std::vector<SeededOutline>& outlines) {
    std::vector<sql::SeedLessonsLessons> rows;
    for (std::size_t at = 0; at < courses.size(); ++at) {
        std::int64_t number = 0;
        for (const SeededLesson& lesson : courses[at].lessons) {
            sql::SeedLessonsLessons& row = rows.emplace_back();
            row.course_id = outlines[at].id;
            row.number = ++number;
            row.title = lesson.title;
            row.length_s = lesson.length_s;
        }
    }
    return rows;
}

std::vector<sql::SeedQuizzesQuizzes> quizzes_of(const std::vector<SeededCourse>& courses,
                                                const std::vector<SeededOutline>& outlines) {
    std::vector<sql::SeedQuizzesQuizzes> rows;
    for (std::size_t at = 0; at < courses.size(); ++at) {
        for (std::size_t number = 0; number < courses[at].lessons.size(); ++number) {
            const auto& quiz = courses[at].lessons[number].quiz;
            if (!quiz) continue;
            sql::SeedQuizzesQuizzes& row = rows.emplace_back();
            row.course_id = outlines[at].id;
            row.lesson_id = outlines[at].lessons[number].id;
            row.title = quiz->title;
            row.points_max = quiz->points_max;
            row.weight = quiz->weight;
        }
    }
    return rows;
}

}  // namespace

Task<std::vector<SeededOutline>> seed_courses(Tx& tx, std::vector<SeededCourse> courses) {
    std::vector<sql::SeedCoursesCourses> rows;
    for (const SeededCourse& course : courses) rows.push_back(row_of(course));
    const auto made = co_await sql::seed_courses(tx, rows);
    std::unordered_map<std::string_view, CourseId> by_key;
    for (const sql::SeededCourseId& row : made) by_key[row.title_key] = row.id;
    LOADSTONE_ASSERT(by_key.size() == courses.size(), "titles of a call differ");
    std::vector<SeededOutline> outlines(courses.size());
    std::unordered_map<CourseId, SeededOutline*> by_id;
    for (std::size_t at = 0; at < courses.size(); ++at) {
        outlines[at].id = by_key.at(rows[at].title_key);
        by_id[outlines[at].id] = &outlines[at];
    }
    const auto lesson_rows = lessons_of(courses, outlines);
    auto lessons = co_await sql::seed_lessons(tx, lesson_rows);
    std::ranges::sort(lessons, {}, &Lesson::number);
    for (Lesson& lesson : lessons) by_id.at(lesson.course_id)->lessons.push_back(std::move(lesson));
    const auto quiz_rows = quizzes_of(courses, outlines);
    auto quizzes = co_await sql::seed_quizzes(tx, quiz_rows);
    std::ranges::sort(quizzes, {}, &Quiz::id);
    for (Quiz& quiz : quizzes) by_id.at(quiz.course_id)->quizzes.push_back(std::move(quiz));
    co_return outlines;
}

Task<void> seed_prerequisites(Tx& tx, std::vector<SeededPrerequisite> all) {
    co_await sql::seed_prerequisites(tx, all);
}

}  // namespace campus::courses
