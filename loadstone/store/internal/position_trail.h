#pragma once
// PositionTrail: where the primary was when, so that a replica's position tells how old what it
// shows may be. By this process's clock alone. What is long ago is told less exactly, and never as
// younger than it is.

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
        if (steps_.size() > steps_max) thin();
    }

    // All that was committed so long before `now` is at or before `at`. Nothing if that was before
    // the trail began.
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
    std::size_t size() const noexcept { return steps_.size(); }
    std::uint64_t last() const noexcept { return steps_.empty() ? 0 : steps_.back().at; }

private:
    // Without a step its neighbours are apart by a sixteenth of their age at most. What is left is
    // some steps for each doubling of the age, so the trail is as long as the process is old.
    void thin() {
        const Clock::time_point now = steps_.back().asked;
        std::size_t kept = 1;
        for (std::size_t i = 1; i + 1 < steps_.size(); ++i) {
            const auto after = steps_[i + 1].asked;
            if ((after - steps_[kept - 1].asked) * 16 > now - after) steps_[kept++] = steps_[i];
        }
        steps_[kept++] = steps_.back();
        while (steps_.size() > kept) steps_.pop_back();
    }

    struct Step {
        Clock::time_point asked;
        std::uint64_t at;
    };
    std::deque<Step> steps_;
};

}  // namespace loadstone::store::internal
