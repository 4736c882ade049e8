#include "loadstone/cache/as_of.h"

#include <chrono>

#include "loadstone/base/error.h"
#include "loadstone/cache/cache.h"

namespace loadstone::cache {

namespace {

constexpr std::chrono::seconds age_max{1};

}  // namespace

Task<Timestamp> as_of(Context& context) {
    auto* cache = context.services().find<Cache>();
    if (cache == nullptr) co_return Timestamp::now();
    Follower& follower = cache->follower();
    const auto age_now = [&follower] { return Follower::Clock::now() - follower.followed_at(); };
    const bool is_current = follower.is_current();
    bool is_untold = false;
    if (!is_current && age_now() > age_max) {
        try {
            co_await follower.catch_up(context);
        } catch (const Error& error) {
            if (error.code() != Errc::unavailable || age_now() > context.reading().stale_max) throw;
            is_untold = true;
        }
    }
    const auto age = age_now();
    // So that a replica that does not show as much is not read.
    follower.saw(context.reading(), follower.now().position);
    if (is_untold) {  // the mark says how old it is
        context.reading().gave_stale(age);
        co_return Timestamp::now();
    }
    co_return Timestamp::now() - std::chrono::ceil<std::chrono::microseconds>(age);
}

}  // namespace loadstone::cache
