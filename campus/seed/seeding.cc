#include "campus/seed/seeding.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "campus/seed/courses_plan.h"
#include "campus/seed/words.h"

namespace campus::seed {

using namespace loadstone;

namespace {

constexpr std::int64_t courses_of_instructor = 4;
constexpr std::int64_t people_at_once = 2'000;
constexpr std::int64_t courses_at_once = 50;
constexpr std::size_t members_at_once = 2'000;
constexpr std::size_t rows_at_once = 6'000;
constexpr std::int64_t session_every = 100;  // one of so many users has one
constexpr double progress_of_enrolment = 4.5;
constexpr double has_prerequisite = 0.05;

enum Kind : std::uint64_t {
    person_kind = 1,
    joined_kind,
    course_kind,
    share_kind,
    year_kind,
    prerequisite_kind,
    grades_kind,
    organisation_kind
};

Task<void> write_year(Tx& tx, Year year) {
    co_await learning::seed_learning(tx, std::move(year.learning));
    co_await audit::seed_events(tx, std::move(year.events));
}

struct People {
    std::vector<accounts::SeededUser> users;
    std::string password_hash;
};
Task<std::vector<accounts::UserId>> write_people(Tx& tx, People people) {
    return accounts::seed_users(tx, std::move(people.users), std::move(people.password_hash));
}

audit::PastEvent event_of(accounts::UserId user, std::string action, std::string detail,
                          Timestamp at) {
    return {user.value, std::move(action), std::move(detail), "192.0.2.1", at};
}

struct SomeCourses {
    std::vector<courses::SeededCourse> courses;
};
Task<std::vector<courses::SeededOutline>> write_courses(Tx& tx, SomeCourses some) {
    const std::vector<courses::SeededCourse> plans = some.courses;
    auto outlines = co_await courses::seed_courses(tx, std::move(some.courses));
    std::vector<audit::PastEvent> events;
    for (std::size_t at = 0; at < plans.size(); ++at) {
        const std::int64_t id = outlines[at].id.value;
        events.push_back(event_of(plans[at].instructor_id, "course.created",
                                  fmt::format("course {} was made", id), plans[at].created_at));
        if (!plans[at].published_at) continue;
        events.push_back(event_of(plans[at].instructor_id, "course.published",
                                  fmt::format("course {} was published", id),
                                  *plans[at].published_at));
    }
    co_await audit::seed_events(tx, std::move(events));
    co_return outlines;
}

Random mixed(std::uint64_t seed, std::uint64_t kind, std::uint64_t number) {
    Random random(seed ^ (kind << 56));
    return Random(random.next() ^ (number * 0x9E3779B97F4A7C15));
}

Popularity popularity_of(const Options& options) {
    Random random = mixed(options.seed, 0, 0);
    return {random, static_cast<std::size_t>(options.courses)};
}

}  // namespace

Seeding::Seeding(Context& context, const Options& options, std::int64_t newest_user)
    : context_(context),
      options_(options),
      newest_user_(newest_user),
      calendar_(options.until),
      progress_(context.services().get<module::Progress>()),
      popularity_(popularity_of(options)) {}

Random Seeding::random_of(std::uint64_t kind, std::int64_t number) const {
    return mixed(options_.seed, kind, static_cast<std::uint64_t>(number));
}

std::int64_t Seeding::instructors() const {
    return std::clamp<std::int64_t>(options_.courses / courses_of_instructor, 1,
                                    options_.users - 1);
}

Task<Seeded> Seeding::run(std::string password_hash) {
    co_await make_people(std::move(password_hash));
    co_await make_sessions();
    co_await make_organisations();
    co_await make_courses();
    co_await make_prerequisites();
    co_await make_year();
    co_await make_grades();
    co_return seeded_;
}

Task<void> Seeding::make_people(std::string password_hash) {
    while (seeded_.users < options_.users) {
        progress_.show("users", seeded_.users, options_.users);
        People people;
        people.password_hash = password_hash;
        const auto end = std::min(options_.users, seeded_.users + people_at_once);
        for (std::int64_t number = seeded_.users; number < end; ++number) {
            Random random = random_of(joined_kind, number);
            // Instructors made their courses before the year.
            const Timestamp joined = number < instructors()
                                         ? Timestamp{calendar_.begin().micros - 300 * day_us}
                                         : calendar_.moment(random);
            joined_.push_back(joined);
            Random named = random_of(person_kind, number);
            people.users.push_back(person(named, newest_user_ + number + 1, joined));
        }
        if (seeded_.users == 0) seeded_.instructor_email = people.users.front().email;
        seeded_.learner_email = people.users.back().email;
        for (const accounts::SeededUser& user : people.users) {
            if (std::ssize(emails_) < 2 * instructors() + 1) emails_.push_back(user.email);
        }
        const auto ids = co_await context_.write(write_people, people);
        users_.insert(users_.end(), ids.begin(), ids.end());
        seeded_.users = end;
    }
    seeded_.instructors = instructors();
    progress_.show("users", seeded_.users, options_.users);
}

Task<void> Seeding::make_sessions() {
    std::vector<accounts::SeededSession> sessions;
    for (std::size_t at = 0; at < users_.size(); at += session_every) {
        const Timestamp end{calendar_.end().micros + 30 * day_us};
        sessions.push_back({users_[at], calendar_.end(), end});
    }
    co_await context_.write(accounts::seed_sessions, sessions);
}

Task<void> Seeding::make_organisations() {
    progress_.show("members", 0, options_.users);
    Random random = random_of(organisation_kind, 0);
    const OrganisationsPlan plan = organisations_plan(random, options_.users, instructors());
    std::vector<organisations::OrganisationId> ids;
    for (std::size_t place = 0; place < plan.sizes.size(); ++place) {
        const std::string name = organisation_name(newest_user_ + std::ssize(ids) + 1);
        const Timestamp founded{calendar_.begin().micros - 300 * day_us};
        ids.push_back(co_await context_.write(organisations::seed_organisation, name,
                                              std::int64_t{1}, founded));
    }
    std::vector<organisations::SeededMembership> some;
    for (std::size_t user = 0; user < users_.size(); ++user) {
        auto& own = organisation_of_.emplace_back();
        const Place& place = plan.places[user];
        if (!place.organisation) continue;
        own = ids[*place.organisation];
        const std::string role(organisations::to_string(place.role));
        some.push_back({users_[user], *own, role, joined_[user]});
        ++seeded_.members;
        if (some.size() < members_at_once) continue;
        progress_.show("members", static_cast<std::int64_t>(user), options_.users);
        co_await context_.write(organisations::seed_memberships, some);
        some.clear();
    }
    co_await context_.write(organisations::seed_memberships, some);
    seeded_.organisations = std::ssize(ids);
    seeded_.admin_email = emails_.at(plan.admin_of_largest());
    progress_.show("members", options_.users, options_.users);
}

Task<void> Seeding::make_courses() {
    const double enrolments = static_cast<double>(options_.progress) / progress_of_enrolment;
    while (seeded_.courses < options_.courses) {
        progress_.show("courses", seeded_.courses, options_.courses);
        SomeCourses some;
        const auto end = std::min(options_.courses, seeded_.courses + courses_at_once);
        for (std::int64_t number = seeded_.courses; number < end; ++number) {
            Random random = random_of(course_kind, number);
            const auto teacher = static_cast<std::size_t>(number % instructors());
            const auto instructor = users_[teacher];
            const double share = popularity_.share(static_cast<std::size_t>(number));
            some.courses.push_back(course_plan(random, calendar_, newest_user_ + number + 1,
                                               instructor, share * enrolments));
            some.courses.back().organisation_id = organisation_of_[teacher];
            instructor_of_.push_back(instructor);
        }
        auto outlines = co_await context_.write(write_courses, some);
        for (std::size_t at = 0; at < outlines.size(); ++at) {
            OpenCourse& course = courses_.emplace_back();
            course.outline = std::move(outlines[at]);
            if (some.courses[at].published_at) course.capacity = some.courses[at].capacity;
        }
        seeded_.courses = end;
    }
    progress_.show("courses", seeded_.courses, options_.courses);
}

// Of a course in the even places one in the odd places, so that there is no chain.
Task<void> Seeding::make_prerequisites() {
    std::vector<courses::SeededPrerequisite> all;
    for (std::size_t place = 0; place + 1 < courses_.size(); place += 2) {
        Random random = random_of(prerequisite_kind, static_cast<std::int64_t>(place));
        const std::size_t required = 2 * random.below(courses_.size() / 2) + 1;
        if (random.uniform() >= 2 * has_prerequisite) continue;
        if (courses_[place].capacity == 0 || courses_[required].capacity == 0) continue;
        courses_[place].required = required;
        all.push_back({courses_[place].outline.id, courses_[required].outline.id});
    }
    co_await context_.write(courses::seed_prerequisites, all);
}

Task<void> Seeding::make_year() {
    std::vector<double> diligence;  // a few do much (Pareto)
    for (std::int64_t number = instructors(); number < options_.users; ++number) {
        Random random = random_of(share_kind, number);
        diligence.push_back(std::pow(1.0 - random.uniform(), -0.5));
    }
    const double all = std::accumulate(diligence.begin(), diligence.end(), 0.0);
    Learners learners(calendar_, popularity_, courses_);
    Year year;
    double up_to = 0;
    for (std::size_t at = 0; at < diligence.size(); ++at) {
        const std::size_t user = at + static_cast<std::size_t>(instructors());
        up_to += diligence[at];
        const double target = static_cast<double>(options_.progress) * up_to / all;
        const auto wanted = std::llround(target) - seeded_.progress;
        Random random = random_of(year_kind, static_cast<std::int64_t>(user));
        Year one = learners.year_of(random, users_[user], joined_[user], wanted);
        seeded_.progress += std::ssize(one.learning.progress);
        year.add(std::move(one));
        if (year.rows() < rows_at_once) continue;
        progress_.show("learners", static_cast<std::int64_t>(at), std::ssize(diligence));
        co_await write(std::exchange(year, Year()));
    }
    co_await write(std::move(year));
    courses_ = learners.courses();
    progress_.show("learners", std::ssize(diligence), std::ssize(diligence));
}

Task<void> Seeding::write(Year year) {
    seeded_.enrolments += std::ssize(year.learning.enrolments);
    seeded_.completions += std::ssize(year.learning.completions);
    seeded_.attempts += std::ssize(year.learning.attempts);
    seeded_.events += std::ssize(year.events);
    co_await context_.write(write_year, year);
}

Task<void> Seeding::make_grades() {
    for (std::size_t place = 0; place < courses_.size(); ++place) {
        progress_.show("grades", static_cast<std::int64_t>(place), std::ssize(courses_));
        if (courses_[place].taken == 0) continue;
        Random random = random_of(grades_kind, static_cast<std::int64_t>(place));
        learning::SeededRun run;
        run.course = courses_[place].outline.id;
        run.instructor = instructor_of_[place];
        run.quizzes = courses_[place].outline.quizzes;
        const auto before = static_cast<std::int64_t>(random.below(20 * 86'400)) * second_us;
        run.started_at = {calendar_.end().micros - day_us - before};
        run.ended_at = {run.started_at.micros + 5 * second_us};
        seeded_.grades += co_await context_.write(learning::seed_grades, run);
    }
    progress_.show("grades", std::ssize(courses_), std::ssize(courses_));
}

}  // namespace campus::seed
