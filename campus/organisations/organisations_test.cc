#include "campus/organisations/organisations.h"

#include <gtest/gtest.h>

namespace campus::organisations {
namespace {

TEST(Roles, IncludeThoseBeforeThem) {
    EXPECT_LT(Role::learner, Role::instructor);
    EXPECT_LT(Role::instructor, Role::admin);
}

TEST(Roles, AreStoredByTheirNames) {
    for (const Role role : {Role::learner, Role::instructor, Role::admin})
        EXPECT_EQ(role_of(to_string(role)), role);
    for (const char* other : {"", "Admin", "owner", "admin "})
        EXPECT_EQ(role_of(other), std::nullopt) << other;
}

TEST(Tenant, IsTheOrganisationOrElseWhoeverIsAlone) {
    EXPECT_EQ(tenant(OrganisationId(7), "user 9"), "7");
    EXPECT_EQ(tenant(std::nullopt, "user 9"), "user 9");
}

}  // namespace
}  // namespace campus::organisations
