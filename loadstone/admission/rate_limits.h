#pragma once
// RateLimits: the limits that handlers check by a key of their own (an account, a tenant), by
// name; a service of the server. A limiter is made at the first check of its name. Counts are this
// process's own.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "loadstone/admission/rate_limiter.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::admission {

class RateLimits {
public:
    // Off: every check passes (load tests).
    RateLimits(bool enabled, std::size_t keys_max, telemetry::Registry& registry);

    // Counts one action of `key`: at most `limit` per `period`. Throws Error resource_exhausted
    // with its retry_after. `limit` and `period` of a name are those of its first check.
    void check_or_throw(std::string_view name, std::string_view key, std::uint32_t limit,
                        std::chrono::nanoseconds period);

private:
    const bool enabled_;
    const std::size_t keys_max_;
    telemetry::Registry* registry_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<RateLimiter>, std::less<>> limiters_;
};

}  // namespace loadstone::admission
