#pragma once
// PositionTrail: where the primary was when, so that a replica's position tells how old what it
// shows may be. By this process's clock alone.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace loadstone::store::internal {

class PositionTrail {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t steps_max = 512;

    // The primary, asked at `asked`, was at `at`: all that was committed before is at or before
    // it. In order of time; a position below the last begins a new trail.
    void note(Clock::time_point asked, std::uint64_t at) {
        if (!steps_.empty() && at < steps_.back().at) steps_.clear();
        if (!steps_.empty() && at == steps_.back().at) {
            steps_.back().asked = asked;
            return;
        }
        steps_.push_back({asked, at});
        if (steps_.size() > steps_max) steps_.pop_front();
    }

    // All that was committed so long before `now` is at or before `at`. Nothing if that is longer
    // ago than the trail tells.
    std::optional<std::chrono::nanoseconds> age(std::uint64_t at, Clock::time_point now) const {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
            if (step->at <= at) return now - step->asked;
        }
        return std::nullopt;
    }
    // Zero for whoever is where the primary was last known to be.
    std::optional<std::chrono::nanoseconds> lag(std::uint64_t at, Clock::time_point now) const {
        if (steps_.empty() || steps_.back().at <= at) return std::chrono::nanoseconds(0);
        return age(at, now);
    }
    std::uint64_t last() const noexcept { return steps_.empty() ? 0 : steps_.back().at; }

private:
    struct Step {
        Clock::time_point asked;
        std::uint64_t at;
    };
    std::deque<Step> steps_;
};

}  // namespace loadstone::store::internal
