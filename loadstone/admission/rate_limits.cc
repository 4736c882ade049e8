#include "loadstone/admission/rate_limits.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"

namespace loadstone::admission {

RateLimits::RateLimits(bool enabled, std::size_t keys_max, telemetry::Registry& registry)
    : enabled_(enabled), keys_max_(keys_max), registry_(&registry) {}

void RateLimits::check_or_throw(std::string_view name, std::string_view key, std::uint32_t limit,
                                std::chrono::nanoseconds period) {
    if (!enabled_) return;
    RateLimiter* limiter = nullptr;
    {
        const std::lock_guard lock(mutex_);
        auto found = limiters_.find(name);
        if (found == limiters_.end()) {
            RateLimiterOptions options;
            options.name = name;
            options.limit = limit;
            options.period = period;
            options.burst = limit;
            options.keys_max = keys_max_;
            found =
                limiters_.emplace(options.name, std::make_unique<RateLimiter>(options, *registry_))
                    .first;
        }
        limiter = found->second.get();
    }
    const Decision decision = limiter->check(key, std::chrono::steady_clock::now());
    if (decision.allowed) return;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(decision.retry_after);
    throw Error(Errc::resource_exhausted,
                fmt::format("too many attempts: {} allows {} in {} s", name, limit,
                            std::chrono::duration_cast<std::chrono::seconds>(period).count()))
        .with_retry_after(wait);
}

}  // namespace loadstone::admission
