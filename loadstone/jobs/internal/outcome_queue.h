#pragma once
// Outcomes that wait to be recorded, and what is still to come of the batches that this process
// holds. Pure; of one thread at a time.
//
// The last outcome of a batch ends it, and is recorded after all others or with them. While
// somebody's transaction holds a job that waits for others, outcomes that would make it come nearer
// cannot be recorded: they are put aside, those for the same jobs together, and are tried apart
// from the rest. An outcome that is put aside is again one that is still to come of its batch.

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "loadstone/jobs/internal/records.h"
#include "loadstone/runtime/clock.h"

namespace loadstone::jobs::internal {

class OutcomeQueue {
public:
    using Clock = runtime::Clock;
    static constexpr std::chrono::milliseconds try_again_min{250}, try_again_max{5'000};

    // A batch is held until its end is recorded.
    void claimed(std::int64_t process, std::int64_t batch, std::size_t jobs);
    // Of a job of a batch that is held, once for each.
    void add(Finished run);
    std::size_t size() const noexcept { return finished_.size(); }
    std::size_t aside() const noexcept { return aside_; }
    // Whether no batch is held.
    bool is_empty() const noexcept { return left_.empty(); }

    // What to record next, of one process, at most `max`; `all`: also what is not due to be tried
    // again. Then one of the two that follow is called.
    std::vector<Finished> take(std::size_t max, Clock::time_point now, bool all);
    void recorded(const std::vector<Finished>& runs);
    // False: nothing of them can be recorded before the database can. `has_conflicted`: it waited
    // for somebody's transaction.
    bool failed(std::vector<Finished> runs, bool has_conflicted, Clock::time_point now);
    // When the first that is put aside is to be tried again.
    std::optional<Clock::time_point> next_try() const;

    // How many jobs still run of the batches that outcomes belong to.
    std::size_t left_of_parted() const;
    std::vector<std::int64_t> batches_of(std::int64_t process) const;

private:
    using BatchKey = std::pair<std::int64_t, std::int64_t>;  // process and batch
    struct Group {
        std::deque<Finished> runs;
        Clock::time_point at{};
        std::chrono::milliseconds pause = try_again_min;
    };
    using Groups = std::map<std::vector<std::int64_t>, Group>;  // by jobs that wait for theirs

    static BatchKey key_of(const Finished& run);
    bool is_last(const Finished& run);
    Finished* last_of(const BatchKey& batch);
    void put_aside(Finished run, Group& group);
    std::vector<Finished> take_aside(std::size_t max, Clock::time_point now, bool all);

    std::map<BatchKey, std::size_t> left_;  // outcomes to come
    std::deque<Finished> finished_;
    Groups groups_;
    std::size_t aside_ = 0;
    bool took_aside_ = false;
};

}  // namespace loadstone::jobs::internal
