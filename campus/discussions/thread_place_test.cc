#include "campus/discussions/thread_place.h"

#include <gtest/gtest.h>

#include <limits>

namespace campus::discussions {
namespace {

constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();

TEST(ThreadPlace, IsReadAsItWasWritten) {
    for (const std::int64_t number : {std::int64_t{0}, std::int64_t{1}, greatest}) {
        sql::ThreadsOfCourseCursor place;
        place.pinned = 1;
        place.last_post_at.micros = number;
        place.id.value = number;
        EXPECT_EQ(place_from_text(to_text(place)), place) << to_text(place);
    }
    sql::ThreadsOfCourseCursor place;
    place.last_post_at.micros = 1'767'225'600'000'000;
    place.id.value = 42;
    EXPECT_EQ(to_text(place), "0.1767225600000000.42");
}

TEST(ThreadPlace, IsNoOtherText) {
    for (const char* text :
         {"", ".", "..", "1", "1.2", "1.2.", "1.2.3.", "1.2.3.4", "1..3", ".2.3", "-1.2.3",
          "+1.2.3", " 1.2.3", "1.2.3 ", "1.2.x", "1,2,3", "1.2.-3", "1.2.9223372036854775808"}) {
        EXPECT_EQ(place_from_text(text), std::nullopt) << '"' << text << '"';
    }
}

}  // namespace
}  // namespace campus::discussions
