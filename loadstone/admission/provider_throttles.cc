#include "loadstone/admission/provider_throttles.h"

#include <atomic>
#include <iterator>
#include <list>
#include <map>
#include <mutex>

#include "loadstone/base/assert.h"
#include "loadstone/base/random.h"

namespace loadstone::admission {

namespace {

struct Provider {
    Provider(std::string_view provider_name, const ProviderThrottleOptions& options)
        : name(provider_name), throttle(options) {
        publish();
    }
    // For the gauges, which are read without the lock.
    void publish() {
        rate.store(throttle.rate(), std::memory_order_relaxed);
        state.store(throttle.state(), std::memory_order_relaxed);
    }

    const std::string name;
    ProviderThrottle throttle;
    std::atomic<double> rate;
    std::atomic<BreakerState> state;
};

}  // namespace

struct ProviderThrottles::Impl {
    Impl(const ProviderThrottlesOptions& throttles_options, telemetry::Registry& metrics)
        : options(throttles_options),
          registry(metrics),
          random(options.seed),
          labels(telemetry::metric_label("throttle", options.name)),
          throttled(metrics.counter("loadstone_provider_throttled_total", labels,
                                    "Answers by which a provider asked for a lower rate")),
          failed(metrics.counter("loadstone_provider_failed_total", labels,
                                 "Calls that did not reach their provider")),
          opened(metrics.counter("loadstone_provider_breaker_opened_total", labels,
                                 "Times that a provider's circuit breaker opened")),
          forgotten(metrics.counter("loadstone_provider_forgotten_total", labels,
                                    "Providers that made room for others")) {
        LOADSTONE_ASSERT(options.providers_max > 0, "there is room for a provider");
    }
    ~Impl() {
        for (const Provider& provider : by_use) registry.remove_gauges(&provider);
    }

    // Null if it is not known. With the lock held; the provider becomes the one used last.
    Provider* find(std::string_view name) {
        const auto found = by_name.find(name);
        if (found == by_name.end()) return nullptr;
        by_use.splice(by_use.end(), by_use, found->second);
        return &*found->second;
    }
    Provider& find_or_add(std::string_view name) {
        if (Provider* known = find(name)) return *known;
        if (by_use.size() >= options.providers_max) {
            forgotten.add();
            registry.remove_gauges(&by_use.front());
            by_name.erase(by_use.front().name);
            by_use.pop_front();
        }
        Provider& provider = by_use.emplace_back(name, options.each);
        by_name.emplace(provider.name, std::prev(by_use.end()));
        add_gauges(provider);
        return provider;
    }
    void add_gauges(const Provider& provider) {
        const std::string both = labels + "," + telemetry::metric_label("provider", provider.name);
        registry.gauge(&provider, "loadstone_provider_rate", both,
                       "Calls per second that the provider is believed to take",
                       [&provider] { return provider.rate.load(std::memory_order_relaxed); });
        registry.gauge(
            &provider, "loadstone_provider_breaker", both,
            "The provider's circuit breaker: 0 closed, 1 open, 2 half open", [&provider] {
                return static_cast<double>(provider.state.load(std::memory_order_relaxed));
            });
    }

    const ProviderThrottlesOptions options;
    telemetry::Registry& registry;
    mutable std::mutex mutex;
    Random random;
    std::list<Provider> by_use;  // used longest ago first
    std::map<std::string_view, std::list<Provider>::iterator> by_name;
    const std::string labels;
    telemetry::Counter& throttled;
    telemetry::Counter& failed;
    telemetry::Counter& opened;
    telemetry::Counter& forgotten;
};

ProviderThrottles::ProviderThrottles(const ProviderThrottlesOptions& options,
                                     telemetry::Registry& registry)
    : impl_(std::make_unique<Impl>(options, registry)) {}

ProviderThrottles::~ProviderThrottles() = default;

ProviderDecision ProviderThrottles::acquire(std::string_view name, Clock::time_point now) {
    std::lock_guard lock(impl_->mutex);
    Provider& provider = impl_->find_or_add(name);
    const ProviderDecision decision = provider.throttle.acquire(now);
    provider.publish();
    return decision;
}

bool ProviderThrottles::on_success(std::string_view name, Clock::time_point now) {
    std::lock_guard lock(impl_->mutex);
    Provider* provider = impl_->find(name);
    if (provider == nullptr) return false;
    const BreakerState before = provider->throttle.state();
    provider->throttle.on_success(now);
    provider->publish();
    return before != BreakerState::closed && provider->throttle.state() == BreakerState::closed;
}

void ProviderThrottles::on_throttled(std::string_view name, Clock::time_point now,
                                     std::optional<std::chrono::nanoseconds> retry_after) {
    impl_->throttled.add();
    std::lock_guard lock(impl_->mutex);
    Provider* provider = impl_->find(name);
    if (provider == nullptr) return;
    provider->throttle.on_throttled(now, retry_after);
    provider->publish();
}

bool ProviderThrottles::on_failure(std::string_view name, Clock::time_point now) {
    impl_->failed.add();
    std::lock_guard lock(impl_->mutex);
    Provider* provider = impl_->find(name);
    if (provider == nullptr) return false;
    const BreakerState before = provider->throttle.state();
    provider->throttle.on_failure(now, impl_->random);
    provider->publish();
    if (provider->throttle.state() != BreakerState::open || before == BreakerState::open)
        return false;
    impl_->opened.add();
    return before == BreakerState::closed;
}

std::size_t ProviderThrottles::providers() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->by_use.size();
}

}  // namespace loadstone::admission
