#include "campus/seed/organisations_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace campus::seed {
namespace {

using organisations::Role;

TEST(OrganisationsPlan, GivesEachAnAdminAndAnInstructorAndAFewTheMost) {
    loadstone::Random random(1);
    const OrganisationsPlan plan = organisations_plan(random, 10'000, 100);
    ASSERT_EQ(plan.sizes.size(), 20U);
    ASSERT_EQ(plan.places.size(), 10'000U);
    std::vector<std::int64_t> admins(20), instructors(20), members(20);
    std::int64_t alone = 0;
    for (std::size_t user = 0; user < plan.places.size(); ++user) {
        const Place& place = plan.places[user];
        EXPECT_EQ(user < 100, place.role == Role::instructor) << user;
        if (!place.organisation) {
            ++alone;
            EXPECT_EQ(place.role, Role::learner);
            continue;
        }
        ++members.at(*place.organisation);
        if (place.role == Role::admin) ++admins[*place.organisation];
        if (place.role == Role::instructor) ++instructors[*place.organisation];
    }
    EXPECT_EQ(members, plan.sizes);
    EXPECT_EQ(admins, std::vector<std::int64_t>(20, 1));
    EXPECT_GE(*std::ranges::min_element(instructors), 1);
    EXPECT_NEAR(static_cast<double>(alone), 990, 120);
    std::ranges::sort(members, std::greater<>());
    EXPECT_GT(members[0], 6 * members[19]);
    const std::size_t admin = plan.admin_of_largest();
    EXPECT_EQ(plan.places[admin].role, Role::admin);
    EXPECT_EQ(plan.sizes[*plan.places[admin].organisation], members[0]);
}

TEST(OrganisationsPlan, FitsTheFewestUsers) {
    loadstone::Random random(1);
    for (const std::int64_t instructors : {1, 2, 9}) {
        const OrganisationsPlan plan = organisations_plan(random, 10, instructors);
        EXPECT_EQ(plan.sizes.size(), 1U);
        EXPECT_EQ(plan.admin_of_largest(), static_cast<std::size_t>(instructors));
    }
}

}  // namespace
}  // namespace campus::seed
