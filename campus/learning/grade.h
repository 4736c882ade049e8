#pragma once
// Grades, pure. In whole numbers, so that whoever calculates one gets the same:
//
//     score of a quiz     round(best points * 1,000,000 / points that it has), halves upwards
//     grade               round(sum(weight * score) / sum(weight) / 100), halves upwards
//
// A grade is in hundredths of a percent, 0..10,000. A quiz that was not attempted scores 0.

#include <cstdint>
#include <span>
#include <vector>

#include "campus/accounts/accounts.h"
#include "campus/courses/courses.h"
#include "loadstone/base/describe.h"

namespace campus::learning {

inline constexpr std::int64_t grade_max = 10'000;
inline constexpr std::size_t bucket_count = 10;  // [0 %, 10 %), .. [90 %, 100 %]

// What a quiz counts in a run; the run keeps it, whatever becomes of the course meanwhile.
struct WeighedQuiz {
    courses::QuizId quiz;
    std::int64_t points_max = 0;  // 1..courses::points_max_max
    std::int64_t weight = 0;      // 1..courses::weight_max
};
BOOST_DESCRIBE_STRUCT(WeighedQuiz, (), (quiz, points_max, weight))

// The quizzes with a weight, by id.
std::vector<WeighedQuiz> weighed(std::span<const courses::Quiz> quizzes);

struct BestPoints {
    accounts::UserId user_id;
    courses::QuizId quiz_id;
    std::int64_t points = 0;
};
BOOST_DESCRIBE_STRUCT(BestPoints, (), (user_id, quiz_id, points))

// REQUIRES a scheme that is not empty; both by quiz, each quiz once. Points of quizzes that are
// not in the scheme do not count, and no more than a quiz has.
std::int64_t grade_of(std::span<const WeighedQuiz> scheme, std::span<const BestPoints> best);

struct Grade {
    accounts::UserId user_id;
    std::int64_t grade = 0;
};
BOOST_DESCRIBE_STRUCT(Grade, (), (user_id, grade))

// One for each learner. REQUIRES learners by id, `best` by user and quiz.
std::vector<Grade> grades_of(std::span<const WeighedQuiz> scheme,
                             std::span<const accounts::UserId> learners,
                             std::span<const BestPoints> best);

struct Statistics {
    std::int64_t graded = 0;
    std::int64_t grade_sum = 0;
    std::vector<std::int64_t> buckets = std::vector<std::int64_t>(bucket_count);

    void add(const Grade& grade);
    void add(const Statistics& other);
    // In percent; 0 of nobody.
    double average() const;
};

// Hundredths of a percent as percent.
double percent(std::int64_t grade);

}  // namespace campus::learning
