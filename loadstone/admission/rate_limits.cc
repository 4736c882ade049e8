#include "loadstone/admission/rate_limits.h"

#include <fmt/core.h>

#include <map>
#include <shared_mutex>
#include <string>

#include "loadstone/admission/rate_limiter.h"
#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"

namespace loadstone::admission {

struct RateLimits::Impl {
    Impl(const RateLimitsOptions& limits_options, telemetry::Registry& metrics)
        : options(limits_options), registry(metrics) {}

    RateLimiter& limiter(std::string_view name, std::uint32_t limit,
                         std::chrono::nanoseconds period) {
        {
            std::shared_lock lock(mutex);
            const auto found = limiters.find(name);
            if (found != limiters.end()) return *found->second;
        }
        std::unique_lock lock(mutex);
        const auto found = limiters.find(name);
        if (found != limiters.end()) return *found->second;
        LOADSTONE_ASSERT(limiters.size() < options.limiters_max,
                         "names of rate limits are constants, not data");
        RateLimiterOptions made;
        made.name = std::string(name);
        made.limit = made.burst = limit;
        made.period = period;
        made.keys_max = options.keys_max;
        auto& slot = limiters[made.name];
        slot = std::make_unique<RateLimiter>(made, registry);
        return *slot;
    }

    const RateLimitsOptions options;
    telemetry::Registry& registry;
    std::shared_mutex mutex;
    std::map<std::string, std::unique_ptr<RateLimiter>, std::less<>> limiters;
};

RateLimits::RateLimits(const RateLimitsOptions& options, telemetry::Registry& registry)
    : impl_(std::make_unique<Impl>(options, registry)) {}

RateLimits::~RateLimits() = default;

void RateLimits::check_or_throw(std::string_view name, std::string_view key, std::uint32_t limit,
                                std::chrono::nanoseconds period) {
    if (!impl_->options.enabled) return;
    RateLimiter& limiter = impl_->limiter(name, limit, period);
    const Decision decision = limiter.check(key, std::chrono::steady_clock::now());
    if (decision.allowed) return;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(decision.retry_after);
    const std::chrono::duration<double> seconds = limiter.options().period;
    throw Error(Errc::resource_exhausted,
                fmt::format("the limit {} of {} per {} s is used up: the next in {} ms", name,
                            limiter.options().limit, seconds.count(), wait.count()))
        .with_retry_after(wait);
}

}  // namespace loadstone::admission
