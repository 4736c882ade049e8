#include "campus/seed/organisations_plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "campus/seed/popularity.h"
#include "loadstone/base/assert.h"

namespace campus::seed {

using namespace loadstone;
using organisations::Role;

namespace {

constexpr std::int64_t instructors_of_organisation = 5;
constexpr double alone = 0.1;

}  // namespace

std::size_t OrganisationsPlan::admin_of_largest() const {
    const auto largest = static_cast<std::size_t>(std::ranges::max_element(sizes) - sizes.begin());
    const auto admin = std::ranges::find_if(places, [&](const Place& place) {
        return place.role == Role::admin && place.organisation == largest;
    });
    LOADSTONE_ASSERT(admin != places.end(), "each has an admin");
    return static_cast<std::size_t>(admin - places.begin());
}

OrganisationsPlan organisations_plan(Random& random, std::int64_t users, std::int64_t instructors) {
    const std::int64_t count =
        std::clamp<std::int64_t>(instructors / instructors_of_organisation, 1, users - instructors);
    const auto organisations = static_cast<std::size_t>(count);
    const Popularity popularity(random, organisations);
    OrganisationsPlan plan;
    plan.sizes.resize(organisations);
    for (std::int64_t user = 0; user < users; ++user) {
        Place& place = plan.places.emplace_back();
        const bool is_instructor = user < instructors;
        const auto nth = static_cast<std::size_t>(is_instructor ? user : user - instructors);
        if (is_instructor) place.role = Role::instructor;
        if (!is_instructor && nth < organisations) place.role = Role::admin;
        if (nth < organisations) {
            place.organisation = nth;
        } else if (is_instructor || random.uniform() >= alone) {
            place.organisation = popularity.choose(random);
        }
        if (place.organisation) ++plan.sizes[*place.organisation];
    }
    return plan;
}

std::string organisation_name(std::int64_t number) { return fmt::format("School {}", number); }

}  // namespace campus::seed
