#include "campus/discussions/notices.h"

#include <gtest/gtest.h>

namespace campus::discussions {
namespace {

using accounts::UserId;

TEST(WhomToTell, IsEachOnceAndNeverThePoster) {
    const UserId ada(1), zoe(2), eve(3);
    const struct {
        UserId poster, thread_author;
        std::optional<UserId> answered;
        std::vector<UserId> told;
    } cases[] = {
        {ada, ada, std::nullopt, {}}, {ada, ada, ada, {}},    {zoe, ada, std::nullopt, {ada}},
        {zoe, ada, ada, {ada}},       {zoe, ada, zoe, {ada}}, {ada, ada, zoe, {zoe}},
        {zoe, ada, eve, {ada, eve}},
    };
    for (const auto& each : cases) {
        EXPECT_EQ(whom_to_tell(each.poster, each.thread_author, each.answered), each.told)
            << each.poster.value << " posts to " << each.thread_author.value;
    }
}

}  // namespace
}  // namespace campus::discussions
