#pragma once
// RateLimiter: `limit` actions per `period` for each key (an address, an account), with `burst` of
// them at once, by GCRA (gcra.h), in bounded memory: when `keys_max` keys are known, the one that
// has recovered furthest makes room. Thread-safe.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loadstone/admission/gcra.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::admission {

struct RateLimiterOptions {
    std::string name;          // "login"; in metrics and messages
    std::uint32_t limit = 10;  // 1 or more
    std::chrono::nanoseconds period = std::chrono::minutes(1);
    std::uint32_t burst = 10;  // 1 or more; what a key that was idle may do at once
    std::size_t keys_max = 65'536;
};

class RateLimiter {
public:
    RateLimiter(const RateLimiterOptions& options, telemetry::Registry& registry);
    ~RateLimiter();
    RateLimiter(const RateLimiter&) = delete;
    RateLimiter& operator=(const RateLimiter&) = delete;

    // Counts one action of `key` if it is allowed. `now` is the steady clock, passed in.
    Decision check(std::string_view key, std::chrono::steady_clock::time_point now);

    std::size_t keys() const;
    const RateLimiterOptions& options() const noexcept;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::admission
