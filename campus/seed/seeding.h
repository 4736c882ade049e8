#pragma once
// `campus seed`, step by step: people, organisations, courses, what learners do, grades. Each step
// writes some thousand rows in a transaction; who is ended in the middle leaves whole learners, and
// enrolments that their courses count.

#include <string>
#include <vector>

#include "campus/seed/learners.h"
#include "campus/seed/options.h"
#include "campus/seed/organisations_plan.h"
#include "loadstone/module/progress.h"

namespace campus::seed {

struct Seeded {
    std::string learner_email, instructor_email, admin_email;
    std::int64_t users = 0, instructors = 0, organisations = 0, members = 0, courses = 0,
                 enrolments = 0, progress = 0;
    std::int64_t attempts = 0, completions = 0, grades = 0, events = 0;
};

class Seeding {
public:
    // Numbers in addresses begin behind `newest_user`.
    Seeding(loadstone::Context& context, const Options& options, std::int64_t newest_user);

    loadstone::Task<Seeded> run(std::string password_hash);

private:
    loadstone::Task<void> make_people(std::string password_hash);
    loadstone::Task<void> make_sessions();
    loadstone::Task<void> make_organisations();
    loadstone::Task<void> make_courses();
    loadstone::Task<void> make_prerequisites();
    loadstone::Task<void> make_year();
    loadstone::Task<void> make_grades();

    loadstone::Task<void> write(Year year);
    // A generator of its own for each thing, so that none depends on how many others there are.
    loadstone::Random random_of(std::uint64_t kind, std::int64_t number) const;
    std::int64_t instructors() const;

    loadstone::Context& context_;
    Options options_;
    std::int64_t newest_user_;
    Calendar calendar_;
    loadstone::module::Progress& progress_;
    Popularity popularity_;
    std::vector<accounts::UserId> users_;  // instructors first
    std::vector<loadstone::Timestamp> joined_;
    std::vector<std::string> emails_;  // of those who may become admins, the first ones
    std::vector<std::optional<organisations::OrganisationId>> organisation_of_;  // of each user
    std::vector<OpenCourse> courses_;
    std::vector<accounts::UserId> instructor_of_;  // of each course
    Seeded seeded_;
};

}  // namespace campus::seed
