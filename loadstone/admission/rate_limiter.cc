#include "loadstone/admission/rate_limiter.h"

#include <fmt/core.h>

#include <functional>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loadstone/base/assert.h"

namespace loadstone::admission {

using Clock = std::chrono::steady_clock;

namespace {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};

// Some of the keys, under one lock.
class Shard {
public:
    explicit Shard(std::size_t keys_max) : keys_max_(keys_max) {}

    Decision check(std::string_view key, const GcraRate& rate, Clock::time_point now,
                   telemetry::Counter& forgotten) {
        std::lock_guard lock(mutex_);
        auto found = states_.find(key);
        if (found == states_.end()) {
            if (states_.size() >= keys_max_) forget_one(now, forgotten);
            found = states_.try_emplace(std::string(key)).first;
            found->second.place = by_full_at_.insert({Clock::time_point{}, &found->first}).first;
        }
        State& state = found->second;
        const Decision decision = state.gcra.check(rate, now);
        if (decision.allowed) {
            auto node = by_full_at_.extract(state.place);
            node.value().first = state.gcra.full_at;
            state.place = by_full_at_.insert(std::move(node)).position;
        }
        return decision;
    }

    std::size_t keys() const {
        std::lock_guard lock(mutex_);
        return states_.size();
    }

private:
    // The key that is full again soonest, so a flood of new keys cannot wash out one that is at
    // its limit. One that is full already is as good as unknown.
    using Order = std::set<std::pair<Clock::time_point, const std::string*>>;

    struct State {
        Gcra gcra;
        Order::iterator place;
    };

    void forget_one(Clock::time_point now, telemetry::Counter& forgotten) {
        const auto first = by_full_at_.begin();
        if (first->first > now) forgotten.add();
        const auto state = states_.find(*first->second);
        by_full_at_.erase(first);
        states_.erase(state);
    }

    const std::size_t keys_max_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, State, TextHash, std::equal_to<>> states_;
    Order by_full_at_;
};

constexpr std::size_t key_bytes_max = 256;

}  // namespace

struct RateLimiter::Impl {
    Impl(const RateLimiterOptions& limiter_options, telemetry::Registry& metrics)
        : options(limiter_options),
          registry(metrics),
          labels(telemetry::metric_label("limiter", options.name)),
          allowed(metrics.counter("loadstone_rate_limiter_allowed_total", labels,
                                  "Actions within the limit of their key")),
          denied(metrics.counter("loadstone_rate_limiter_denied_total", labels,
                                 "Actions above the limit of their key")),
          forgotten(metrics.counter("loadstone_rate_limiter_forgotten_total", labels,
                                    "Keys that made room for others before they had recovered")) {
        LOADSTONE_ASSERT(options.limit > 0 && options.burst > 0 && options.keys_max > 0 &&
                             options.period.count() > 0,
                         "a rate limiter has a limit, a burst, a period and room for a key");
        rate = GcraRate::per(options.limit, options.period, options.burst);
        // Small ones keep the exact order of forgetting; large ones spread the lock.
        const std::size_t count = options.keys_max < 1024 ? 1 : 16;
        for (std::size_t i = 0; i < count; ++i) {
            shards.push_back(std::make_unique<Shard>(options.keys_max / count));
        }
        registry.gauge(this, "loadstone_rate_limiter_keys", labels, "Keys that are known",
                       [this] { return static_cast<double>(keys()); });
    }
    ~Impl() { registry.remove_gauges(this); }

    std::size_t keys() const {
        std::size_t sum = 0;
        for (const auto& shard : shards) sum += shard->keys();
        return sum;
    }

    const RateLimiterOptions options;
    telemetry::Registry& registry;
    const std::string labels;
    telemetry::Counter& allowed;
    telemetry::Counter& denied;
    telemetry::Counter& forgotten;
    GcraRate rate{};
    std::vector<std::unique_ptr<Shard>> shards;
};

RateLimiter::RateLimiter(const RateLimiterOptions& options, telemetry::Registry& registry)
    : impl_(std::make_unique<Impl>(options, registry)) {}

RateLimiter::~RateLimiter() = default;

Decision RateLimiter::check(std::string_view key, Clock::time_point now) {
    const std::size_t hash = TextHash{}(key);
    std::string shortened;
    if (key.size() > key_bytes_max) {
        shortened = fmt::format("{}#{:016x}", key.substr(0, key_bytes_max - 17), hash);
        key = shortened;
    }
    // The high bits, because the map inside the shard uses the low ones.
    Shard& shard = *impl_->shards[(hash >> 32) % impl_->shards.size()];
    const Decision decision = shard.check(key, impl_->rate, now, impl_->forgotten);
    (decision.allowed ? impl_->allowed : impl_->denied).add();
    return decision;
}

std::size_t RateLimiter::keys() const { return impl_->keys(); }
const RateLimiterOptions& RateLimiter::options() const noexcept { return impl_->options; }

}  // namespace loadstone::admission
