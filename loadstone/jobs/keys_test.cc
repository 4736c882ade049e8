#include "loadstone/jobs/keys.h"

#include <gtest/gtest.h>

namespace loadstone::jobs {
namespace {

TEST(Keys, ASuspectIsOneByItsLimitAndByNothingElse) {
    EXPECT_TRUE(is_suspect("|loadstone.suspect:mail"));
    EXPECT_TRUE(is_suspect("acme|mail:gmail.com|loadstone.suspect:mail"));
    EXPECT_FALSE(is_suspect(""));
    EXPECT_FALSE(is_suspect("loadstone.suspect"));
    EXPECT_FALSE(is_suspect("loadstone.suspect:mail|mail:gmail.com"));
    EXPECT_FALSE(is_suspect("acme|loadstone.suspects:mail"));
    EXPECT_FALSE(is_suspect("acme|mail:loadstone.suspect:mail"));
    EXPECT_FALSE(is_suspect(tenant_in_partition("a|loadstone.suspect:mail")));
}

TEST(Keys, ASuspicionComesAndGoesWithTheRestAsItWas) {
    for (const std::string partition : {"", "acme", "acme|mail:gmail.com", "|mail:gmail.com"}) {
        const std::string suspected = suspect_partition(partition, "reports");
        EXPECT_EQ(suspected, partition + "|loadstone.suspect:reports");
        EXPECT_EQ(suspect_partition(suspected, "reports"), suspected);
        EXPECT_EQ(without_suspicion(suspected), partition);
        EXPECT_EQ(without_suspicion(partition), partition);
    }
}

}  // namespace
}  // namespace loadstone::jobs
