#pragma once
// RateLimits: the server's rate limiters by name, as a service for handlers. A limiter is made when
// its name is first used. Thread-safe.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "loadstone/telemetry/registry.h"

namespace loadstone::admission {

struct RateLimitsOptions {
    bool enabled = true;            // off for load tests: everything is allowed
    std::size_t keys_max = 65'536;  // of each limiter
    std::size_t limiters_max = 256;
};

class RateLimits {
public:
    RateLimits(const RateLimitsOptions& options, telemetry::Registry& registry);
    ~RateLimits();
    RateLimits(const RateLimits&) = delete;
    RateLimits& operator=(const RateLimits&) = delete;

    // Counts one action of `key`; throws Error resource_exhausted with a retry_after if it is more
    // than `limit` per `period`. A name has one limit and period: the first call's.
    void check_or_throw(std::string_view name, std::string_view key, std::uint32_t limit,
                        std::chrono::nanoseconds period);

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::admission
