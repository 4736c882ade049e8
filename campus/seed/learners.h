#pragma once
// What learners do in a year: which courses they take, how far they come, their attempts and what
// the audit log says of it. Pure: a seed, and nothing else, decides it.

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "campus/audit/audit.h"
#include "campus/learning/learning.h"
#include "campus/seed/calendar.h"
#include "campus/seed/popularity.h"

namespace campus::seed {

struct OpenCourse {
    courses::SeededOutline outline;
    std::int64_t capacity = 0, taken = 0;
    std::optional<std::size_t> required;  // its place among the courses
};

struct Year {
    learning::SeededLearning learning;
    std::vector<audit::PastEvent> events;

    std::size_t rows() const;
    void add(Year other);
};

class Learners {
public:
    // REQUIRES courses in the places of `popularity`, all published before the calendar's year.
    Learners(const Calendar& calendar, const Popularity& popularity,
             std::vector<OpenCourse> courses);

    // Of a learner who came at `joined`, about `progress` lessons that are begun. Never more
    // learners in a course than it has seats, and none who lacks what it requires.
    Year year_of(loadstone::Random& random, accounts::UserId user, loadstone::Timestamp joined,
                 std::int64_t progress);

    const std::vector<OpenCourse>& courses() const noexcept { return courses_; }

private:
    struct Person;

    // Which course is taken next; none: nothing is open to this one.
    std::optional<std::size_t> choose(loadstone::Random& random, const Person& person) const;
    void take(loadstone::Random& random, Person& person, std::size_t place);
    void attempt(loadstone::Random& random, Person& person, const courses::Quiz& quiz,
                 loadstone::Timestamp at) const;

    const Calendar& calendar_;
    const Popularity& popularity_;
    std::vector<OpenCourse> courses_;
};

}  // namespace campus::seed
