#include "campus/seed/learners.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_map>
#include <utility>

namespace campus::seed {

using namespace loadstone;

namespace {

constexpr int choices_max = 20;  // of one who finds no seat
constexpr double never_begin = 0.12;
constexpr double come_through = 0.30;  // of the others most stop somewhere

template <class T>
void append(std::vector<T>& to, std::vector<T> what) {
    std::ranges::move(what, std::back_inserter(to));
}

// How many of `lessons` are completed by who has the time.
std::int64_t staying_power(Random& random, std::int64_t lessons) {
    const double kind = random.uniform();
    if (kind < never_begin) return -1;
    if (kind < never_begin + come_through) return lessons;
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(lessons)));
}

}  // namespace

struct Learners::Person {
    accounts::UserId user;
    Timestamp joined;
    double ability = 0.5;
    std::string address;
    std::unordered_set<std::size_t> taken;
    std::unordered_map<std::size_t, Timestamp> completed;
    Year year;

    void note(std::string action, std::string detail, Timestamp at) {
        year.events.push_back({user.value, std::move(action), std::move(detail), address, at});
    }
};

std::size_t Year::rows() const {
    return learning.enrolments.size() + learning.completions.size() + learning.progress.size() +
           learning.attempts.size() + events.size();
}

void Year::add(Year other) {
    append(learning.enrolments, std::move(other.learning.enrolments));
    append(learning.completions, std::move(other.learning.completions));
    append(learning.progress, std::move(other.learning.progress));
    append(learning.attempts, std::move(other.learning.attempts));
    append(events, std::move(other.events));
}

Learners::Learners(const Calendar& calendar, const Popularity& popularity,
                   std::vector<OpenCourse> courses)
    : calendar_(calendar), popularity_(popularity), courses_(std::move(courses)) {}

std::optional<std::size_t> Learners::choose(Random& random, const Person& person) const {
    for (int choice = 0; choice < choices_max; ++choice) {
        std::size_t place = popularity_.choose(random);
        // First what it requires. That requires nothing itself.
        const auto required = courses_[place].required;
        if (required && !person.completed.contains(*required)) place = *required;
        const OpenCourse& course = courses_[place];
        if (course.taken < course.capacity && !person.taken.contains(place)) return place;
    }
    return std::nullopt;
}

void Learners::attempt(Random& random, Person& person, const courses::Quiz& quiz,
                       Timestamp at) const {
    const std::uint64_t times = 1 + (random.uniform() < 0.3) + (random.uniform() < 0.1);
    for (std::uint64_t time = 0; time < times; ++time) {
        at = {at.micros + static_cast<std::int64_t>(120 + random.below(900)) * second_us};
        if (at >= calendar_.end()) return;
        const double part = std::clamp(
            person.ability + (random.uniform() - 0.5) * 0.5 + 0.08 * static_cast<double>(time), 0.0,
            1.0);
        const auto points = std::llround(part * static_cast<double>(quiz.points_max));
        person.year.learning.attempts.push_back(
            {quiz.course_id, person.user, quiz.id, points, quiz.points_max, at});
    }
}

void Learners::take(Random& random, Person& person, std::size_t place) {
    OpenCourse& course = courses_[place];
    const courses::CourseId id = course.outline.id;
    Timestamp from = person.joined;
    if (course.required) from = std::max(from, person.completed.at(*course.required));
    Timestamp time = calendar_.moment_from(random, from);
    ++course.taken;
    person.taken.insert(place);
    person.note("session.started", "signed in", time);
    person.note("course.enrolled", fmt::format("course {} was begun", id.value), time);
    learning::SeededEnrolment enrolment{id, person.user, time, 0};
    const auto lessons = static_cast<std::int64_t>(course.outline.lessons.size());
    const std::int64_t stays = staying_power(random, lessons);
    auto quiz = course.outline.quizzes.begin();
    for (const courses::Lesson& lesson : course.outline.lessons) {
        time = calendar_.next_sitting(random, time);
        if (stays < 0 || time >= calendar_.end()) break;
        learning::SeededProgress progress{person.user, id, lesson.id, lesson.length_s, time, time};
        if (enrolment.lessons_completed == stays) {
            progress.position_s = static_cast<std::int64_t>(
                random.below(static_cast<std::uint64_t>(lesson.length_s)));
            progress.completed_at.reset();
            person.year.learning.progress.push_back(progress);
            break;
        }
        person.year.learning.progress.push_back(progress);
        ++enrolment.lessons_completed;
        if (random.uniform() < 0.2) person.note("session.started", "signed in", time);
        if (quiz != course.outline.quizzes.end() && quiz->lesson_id == lesson.id)
            attempt(random, person, *quiz++, time);
    }
    if (enrolment.lessons_completed == lessons) {
        const Timestamp completed = *person.year.learning.progress.back().completed_at;
        person.completed[place] = completed;
        person.year.learning.completions.push_back({person.user, id, completed});
    }
    person.year.learning.enrolments.push_back(enrolment);
}

Year Learners::year_of(Random& random, accounts::UserId user, Timestamp joined,
                       std::int64_t progress) {
    Person person;
    person.user = user;
    person.joined = joined;
    person.ability = 0.3 + 0.65 * std::sqrt(random.uniform());
    // RFC 5737.
    person.address = fmt::format("{}.{}", random.below(2) == 0 ? "198.51.100" : "203.0.113",
                                 1 + random.below(254));
    person.note("account.created", "the account was created", joined);
    while (static_cast<std::int64_t>(person.year.learning.progress.size()) < progress) {
        const auto place = choose(random, person);
        if (!place) break;
        take(random, person, *place);
    }
    return std::move(person.year);
}

}  // namespace campus::seed
