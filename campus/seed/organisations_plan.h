#pragma once
// The organisations of `campus seed`: their sizes by Zipf, each with an admin and an instructor,
// and one of 10 learners in none. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "campus/organisations/organisations.h"
#include "loadstone/base/random.h"

namespace campus::seed {

struct Place {
    std::optional<std::size_t> organisation;
    organisations::Role role = organisations::Role::learner;
};

struct OrganisationsPlan {
    std::vector<Place> places;        // of each user; instructors come first
    std::vector<std::int64_t> sizes;  // of each organisation, members

    // Which user.
    std::size_t admin_of_largest() const;
};

// One organisation for some 5 instructors. Those right behind the instructors are the admins.
// REQUIRES 1 <= instructors < users.
OrganisationsPlan organisations_plan(loadstone::Random& random, std::int64_t users,
                                     std::int64_t instructors);
std::string organisation_name(std::int64_t number);

}  // namespace campus::seed
