#pragma once
// ProviderThrottles: one ProviderThrottle for each provider, by name, in bounded memory: when
// `providers_max` are known, the one that was used longest ago makes room. Thread-safe. Gauges of
// each provider are in the registry; counters are sums, because names of providers come from data.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "loadstone/admission/provider_throttle.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::admission {

struct ProviderThrottlesOptions {
    std::string name;  // "mail"; in metrics
    ProviderThrottleOptions each;
    std::size_t providers_max = 256;
    std::uint64_t seed = 1;  // of the jitter; different on each node
};

class ProviderThrottles {
public:
    using Clock = ProviderThrottle::Clock;

    ProviderThrottles(const ProviderThrottlesOptions& options, telemetry::Registry& registry);
    ~ProviderThrottles();
    ProviderThrottles(const ProviderThrottles&) = delete;
    ProviderThrottles& operator=(const ProviderThrottles&) = delete;

    // As in ProviderThrottle. An answer for a provider that was forgotten meanwhile is dropped.
    // True: on_success closed its breaker, on_failure opened it.
    ProviderDecision acquire(std::string_view provider, Clock::time_point now);
    bool on_success(std::string_view provider, Clock::time_point now);
    void on_throttled(std::string_view provider, Clock::time_point now,
                      std::optional<std::chrono::nanoseconds> retry_after);
    bool on_failure(std::string_view provider, Clock::time_point now);

    std::size_t providers() const;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::admission
