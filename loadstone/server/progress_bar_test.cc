#include "loadstone/server/internal/progress_bar.h"

#include <gtest/gtest.h>

namespace loadstone::server::internal {

namespace {

using std::chrono::milliseconds;

TEST(ProgressBar, ShowsHowFarAndWhatIsLeft) {
    EXPECT_EQ(bar_of("learners", 500, 1'000, milliseconds(65'000), 100),
              "learners  [###############...............]  50 %  500/1000  1:05 left");
}

TEST(ProgressBar, SaysNothingOfTheTimeAtTheEnds) {
    EXPECT_EQ(bar_of("users", 0, 10, milliseconds(5'000), 100),
              "users     [..............................]   0 %  0/10");
    EXPECT_EQ(bar_of("users", 10, 10, milliseconds(5'000), 100),
              "users     [##############################] 100 %  10/10");
    EXPECT_EQ(bar_of("users", 5, 10, milliseconds(99), 100),
              "users     [###############...............]  50 %  5/10");
}

TEST(ProgressBar, OfNothingIsNotDivided) {
    EXPECT_EQ(bar_of("users", 0, 0, milliseconds(0), 100),
              "users     [..............................]   0 %  0/0");
    EXPECT_EQ(bar_of("users", 12, 10, milliseconds(0), 100),
              "users     [##############################] 100 %  12/10");
}

TEST(ProgressBar, IsNarrowerThanTheTerminal) {
    EXPECT_EQ(bar_of("users", 0, 10, milliseconds(0), 11), "users     ");
    EXPECT_EQ(bar_of("users", 0, 10, milliseconds(0), 1), "");
    EXPECT_EQ(bar_of("users", 0, 10, milliseconds(0), 0), "");
}

}  // namespace

}  // namespace loadstone::server::internal
