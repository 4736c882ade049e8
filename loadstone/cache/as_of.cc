#include "loadstone/cache/as_of.h"

#include <chrono>

#include "loadstone/cache/cache.h"

namespace loadstone::cache {

namespace {

constexpr std::chrono::seconds age_max{1};

}  // namespace

Task<Timestamp> as_of(Context& context) {
    auto* cache = context.services().find<Cache>();
    if (cache == nullptr) co_return Timestamp::now();
    Follower& follower = cache->follower();
    const bool is_current = follower.is_current();
    if (!is_current && Follower::Clock::now() - follower.followed_at() > age_max)
        co_await follower.catch_up(context);
    const auto age = Follower::Clock::now() - follower.followed_at();
    // So that a replica that does not show as much is not read.
    follower.saw(context.reading(), follower.now().position);
    co_return Timestamp::now() - std::chrono::ceil<std::chrono::microseconds>(age);
}

}  // namespace loadstone::cache
