#include "campus/seed/courses_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "campus/seed/words.h"

namespace campus::seed {

using namespace loadstone;

namespace {

constexpr std::int64_t draft_every = 30;
constexpr std::int64_t lessons_least = 4;
constexpr std::uint64_t lessons_more = 13;  // fewer than that
constexpr double has_quiz = 0.4;
constexpr double too_small = 0.05;

std::int64_t seats(Random& random, double enrolments) {
    const double factor = random.uniform() < too_small ? 0.6 : 1.5 + random.uniform();
    const auto wanted = static_cast<std::int64_t>(std::ceil(enrolments * factor));
    return std::clamp<std::int64_t>((wanted + 9) / 10 * 10, 10, courses::capacity_max);
}

courses::SeededQuiz quiz_plan(Random& random, std::size_t number) {
    courses::SeededQuiz quiz;
    quiz.title = fmt::format("Quiz {}", number);
    quiz.points_max = 5 * static_cast<std::int64_t>(1 + random.below(20));
    quiz.weight = static_cast<std::int64_t>(random.below(4));
    return quiz;
}

}  // namespace

courses::SeededCourse course_plan(Random& random, const Calendar& calendar, std::int64_t number,
                                  accounts::UserId instructor, double enrolments) {
    courses::SeededCourse course;
    course.title = course_title(random, number);
    course.description = fmt::format("{} for whoever wants to know.", course.title);
    course.instructor_id = instructor;
    course.capacity = seats(random, enrolments);
    const auto before = static_cast<std::int64_t>((1 + random.below(200)) * 86'400) * second_us;
    course.created_at = {calendar.begin().micros - day_us - before};
    if (number % draft_every != 0)
        course.published_at = Timestamp{course.created_at.micros + 3'600 * second_us};
    const std::size_t lessons = lessons_least + random.below(lessons_more);
    for (std::size_t lesson = 1; lesson <= lessons; ++lesson) {
        courses::SeededLesson& one = course.lessons.emplace_back();
        one.title = lesson_title(random);
        one.length_s = static_cast<std::int64_t>(180 + random.below(2'400));
        if (lesson > 1 && random.uniform() < has_quiz) one.quiz = quiz_plan(random, lesson);
    }
    // Something is always graded.
    courses::SeededQuiz first = quiz_plan(random, 1);
    first.weight = std::max<std::int64_t>(first.weight, 1);
    course.lessons.front().quiz = std::move(first);
    return course;
}

}  // namespace campus::seed
