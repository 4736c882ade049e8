#pragma once
// Alone: when a process runs a suspect, a job whose next crash buries it. Pure; of one task.
//
// A suspect runs when no other job does in its process, from its claim to the record of its end, so
// that a death of the process is surely its own. A process that is empty and has nothing else to
// claim runs it at once. One that is busy goes on for a while, for another may be idle; then it
// claims nothing until it is empty, or gives up for now: a job that runs for long holds up the
// others no longer than that. Afterwards the others have the process for several times as long as
// they were held up.

#include <chrono>
#include <optional>

#include "loadstone/runtime/clock.h"

namespace loadstone::jobs::internal {

class Alone {
public:
    using Clock = runtime::Clock;
    static constexpr std::chrono::milliseconds patience{1'000};     // and up to as much again
    static constexpr std::chrono::milliseconds drain_first{5'000};  // twice as long each time
    static constexpr std::chrono::milliseconds drain_max{60'000};
    static constexpr std::chrono::milliseconds rest_min{500};
    static constexpr int rest_share = 3;  // times what others were held up

    enum class Turn {
        others,  // anything but suspects may be claimed
        nobody,  // what runs is to end
        suspect
    };
    struct State {
        bool suspect_waits = false;
        bool is_empty = false;     // nothing runs, and all ends are recorded
        bool others_wait = false;  // there may be something else to claim
    };
    // `jitter`: 0 to 1, so that not all processes begin to drain at once.
    Turn turn(const State& state, Clock::time_point now, double jitter);
    // What came of the suspect's turn.
    void claimed(bool has_one, Clock::time_point now);
    // When turn() may answer otherwise, where nothing else happens.
    std::optional<Clock::time_point> next_change(Clock::time_point now) const;

private:
    Turn drain(Clock::time_point now, double jitter);
    void rest(Clock::time_point now);

    bool runs_ = false;                               // a suspect
    std::optional<Clock::time_point> drains_at_;      // while one waits for an empty process
    Clock::time_point held_up_since_{}, rests_to_{};  // the others
    std::chrono::milliseconds drain_for_ = drain_first;
};

}  // namespace loadstone::jobs::internal
