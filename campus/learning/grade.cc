#include "campus/learning/grade.h"

#include <algorithm>

#include "loadstone/base/assert.h"

namespace campus::learning {

namespace {

constexpr std::int64_t score_max = 1'000'000;

// Halves upwards; neither is negative.
std::int64_t rounded(std::int64_t value, std::int64_t divisor) {
    return (2 * value + divisor) / (2 * divisor);
}

}  // namespace

std::vector<WeighedQuiz> weighed(std::span<const courses::Quiz> quizzes) {
    std::vector<WeighedQuiz> scheme;
    for (const courses::Quiz& quiz : quizzes) {
        if (quiz.weight > 0) scheme.push_back({quiz.id, quiz.points_max, quiz.weight});
    }
    std::ranges::sort(scheme, {}, &WeighedQuiz::quiz);
    return scheme;
}

std::int64_t grade_of(std::span<const WeighedQuiz> scheme, std::span<const BestPoints> best) {
    LOADSTONE_ASSERT(!scheme.empty(), "a run is of quizzes that count");
    std::int64_t sum = 0;
    std::int64_t weights = 0;
    auto next = best.begin();
    for (const WeighedQuiz& quiz : scheme) {
        weights += quiz.weight;
        while (next != best.end() && next->quiz_id < quiz.quiz) ++next;
        if (next == best.end() || next->quiz_id != quiz.quiz) continue;
        const std::int64_t points = std::clamp<std::int64_t>(next->points, 0, quiz.points_max);
        sum += quiz.weight * rounded(points * score_max, quiz.points_max);
    }
    return rounded(sum, weights * (score_max / grade_max));
}

std::vector<Grade> grades_of(std::span<const WeighedQuiz> scheme,
                             std::span<const accounts::UserId> learners,
                             std::span<const BestPoints> best) {
    std::vector<Grade> grades;
    grades.reserve(learners.size());
    auto next = best.begin();
    for (const accounts::UserId learner : learners) {
        while (next != best.end() && next->user_id < learner) ++next;
        const auto begin = next;
        while (next != best.end() && next->user_id == learner) ++next;
        grades.push_back({learner, grade_of(scheme, std::span(begin, next))});
    }
    return grades;
}

void Statistics::add(const Grade& grade) {
    ++graded;
    grade_sum += grade.grade;
    const auto width = grade_max / static_cast<std::int64_t>(bucket_count);
    ++buckets[std::min(static_cast<std::size_t>(grade.grade / width), bucket_count - 1)];
}

void Statistics::add(const Statistics& other) {
    graded += other.graded;
    grade_sum += other.grade_sum;
    for (std::size_t i = 0; i < std::min(buckets.size(), other.buckets.size()); ++i)
        buckets[i] += other.buckets[i];
}

double Statistics::average() const {
    if (graded == 0) return 0;
    return percent(grade_sum) / static_cast<double>(graded);
}

double percent(std::int64_t grade) { return static_cast<double>(grade) / 100.0; }

}  // namespace campus::learning
