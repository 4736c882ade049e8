#include "campus/learning/grade.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace campus::learning {
namespace {

using accounts::UserId;
using courses::QuizId;

BestPoints best(std::int64_t user, std::int64_t quiz, std::int64_t points) {
    return {UserId(user), QuizId(quiz), points};
}

WeighedQuiz quiz(std::int64_t id, std::int64_t points_max, std::int64_t weight) {
    return {QuizId(id), points_max, weight};
}

TEST(Grade, IsTheWeightedMeanOfTheScores) {
    const struct {
        const char* what;
        std::vector<WeighedQuiz> scheme;
        std::vector<BestPoints> best;
        std::int64_t grade;
    } cases[] = {
        {"nothing attempted", {quiz(1, 10, 1)}, {}, 0},
        {"everything right",
         {quiz(1, 10, 1), quiz(2, 7, 3)},
         {best(1, 1, 10), best(1, 2, 7)},
         10'000},
        {"one of two, equal weights", {quiz(1, 10, 1), quiz(2, 10, 1)}, {best(1, 2, 10)}, 5'000},
        {"weights count", {quiz(1, 10, 1), quiz(2, 10, 3)}, {best(1, 2, 10)}, 7'500},
        {"points of different quizzes",
         {quiz(1, 4, 2), quiz(2, 50, 1)},
         {best(1, 1, 3), best(1, 2, 25)},
         6'667},
        {"a third", {quiz(1, 3, 1)}, {best(1, 1, 1)}, 3'333},
        {"two thirds", {quiz(1, 3, 1)}, {best(1, 1, 2)}, 6'667},
        {"half a hundredth goes up", {quiz(1, 8, 1), quiz(2, 1, 2'499)}, {best(1, 1, 1)}, 1},
        {"less than half goes down", {quiz(1, 8, 1), quiz(2, 1, 2'500)}, {best(1, 1, 1)}, 0},
        {"quizzes that do not count",
         {quiz(2, 10, 1)},
         {best(1, 1, 10), best(1, 2, 1), best(1, 3, 10)},
         1'000},
        {"no more than there are", {quiz(1, 10, 1)}, {best(1, 1, 11)}, 10'000},
        {"the least", {quiz(1, 10'000, 1)}, {best(1, 1, 1)}, 1},
        {"just not all", {quiz(1, 10'000, 1)}, {best(1, 1, 9'999)}, 9'999},
    };
    for (const auto& each : cases)
        EXPECT_EQ(grade_of(each.scheme, each.best), each.grade) << each.what;
}

TEST(Grade, OfTheLargestSchemeDoesNotOverflow) {
    std::vector<WeighedQuiz> scheme;
    std::vector<BestPoints> all;
    for (std::int64_t i = 1; i <= courses::quizzes_max; ++i) {
        scheme.push_back(quiz(i, courses::points_max_max, courses::weight_max));
        all.push_back(best(1, i, courses::points_max_max));
    }
    EXPECT_EQ(grade_of(scheme, all), grade_max);
    all.back().points = 0;
    EXPECT_EQ(grade_of(scheme, all), grade_max * 199 / 200);
}

TEST(Grade, RisesWithPoints) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        const std::int64_t points_max = 1 + random() % 50;
        const std::vector<WeighedQuiz> scheme{quiz(1, points_max, 1 + random() % 1'000),
                                              quiz(2, 13, 1 + random() % 1'000)};
        std::int64_t before = -1;
        for (std::int64_t points = 0; points <= points_max; ++points) {
            const std::vector<BestPoints> one{best(1, 1, points), best(1, 2, 5)};
            const std::int64_t grade = grade_of(scheme, one);
            EXPECT_GE(grade, before);
            EXPECT_LE(grade, grade_max);
            before = grade;
        }
    }
}

TEST(Grades, AreOfEachLearnerAndNobodyElse) {
    const std::vector<WeighedQuiz> scheme{quiz(1, 10, 1), quiz(2, 10, 1)};
    const std::vector<UserId> learners{UserId(2), UserId(4), UserId(5), UserId(9)};
    const std::vector<BestPoints> all{best(1, 1, 10), best(2, 1, 10), best(2, 2, 4),
                                      best(3, 1, 9),  best(5, 2, 10), best(10, 1, 1)};
    const std::vector<Grade> grades = grades_of(scheme, learners, all);
    ASSERT_EQ(grades.size(), 4U);
    const std::int64_t expected[] = {7'000, 0, 5'000, 0};
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(grades[i].user_id, learners[i]);
        EXPECT_EQ(grades[i].grade, expected[i]);
    }
    EXPECT_TRUE(grades_of(scheme, {}, all).empty());
}

TEST(Grade, CountsOnlyQuizzesWithAWeight) {
    std::vector<courses::Quiz> quizzes(3);
    quizzes[0].id = QuizId(7);
    quizzes[0].weight = 2;
    quizzes[0].points_max = 5;
    quizzes[1].id = QuizId(3);
    quizzes[1].weight = 1;
    quizzes[2].id = QuizId(5);
    const auto scheme = weighed(quizzes);
    ASSERT_EQ(scheme.size(), 2U);
    EXPECT_EQ(scheme[0].quiz, QuizId(3));
    EXPECT_EQ(scheme[1].quiz, QuizId(7));
    EXPECT_EQ(scheme[1].points_max, 5);
    EXPECT_EQ(scheme[1].weight, 2);
}

TEST(GradeStatistics, PutEachGradeIntoItsBucket) {
    Statistics statistics;
    for (const std::int64_t grade : {0, 999, 1'000, 4'999, 8'999, 9'000, 9'999, 10'000})
        statistics.add(Grade{UserId(1), grade});
    const std::vector<std::int64_t> expected{2, 1, 0, 0, 1, 0, 0, 0, 1, 3};
    EXPECT_EQ(statistics.buckets, expected);
    EXPECT_EQ(statistics.graded, 8);
    EXPECT_EQ(std::accumulate(expected.begin(), expected.end(), std::int64_t{0}), 8);
    EXPECT_DOUBLE_EQ(statistics.average(), 56.245);
    EXPECT_DOUBLE_EQ(Statistics().average(), 0);
}

TEST(GradeStatistics, OfSlicesAddUp) {
    Statistics all, left, right;
    for (std::int64_t i = 0; i < 100; ++i) {
        const Grade grade{UserId(i + 1), i * 101};
        all.add(grade);
        (i % 3 == 0 ? left : right).add(grade);
    }
    left.add(right);
    EXPECT_EQ(left.buckets, all.buckets);
    EXPECT_EQ(left.graded, all.graded);
    EXPECT_EQ(left.grade_sum, all.grade_sum);
}

}  // namespace
}  // namespace campus::learning
