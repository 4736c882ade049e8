#pragma once
// Backlog: how many facts wait and how old the state is that the store shows, measured in the
// database alone, so that both are known, and the bound on waiting holds, while the store is out of
// order, and on servers that have no store.

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "loadstone/analytics/facts.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"
#include "loadstone/store/reader.h"

namespace loadstone::analytics {

// Facts that wait for the column store, about: by the numbers that were given out.
Task<std::int64_t> facts_waiting(Reader reader);

class Backlog {
public:
    // `lag_max`: a state that is older is told in the log, with what holds the feed back.
    Backlog(Recorder& recorder, std::chrono::milliseconds lag_max, telemetry::Registry& registry);
    ~Backlog();
    Backlog(const Backlog&) = delete;
    Backlog& operator=(const Backlog&) = delete;

    // One look; tells the recorder.
    Task<void> measure(Context& context);
    // By who carries: the store shows the state of then.
    void note_shown(std::int64_t as_of);

    // From any thread, all below. As of when what was committed is in the store; 0: not known.
    Timestamp as_of() const noexcept { return {as_of_}; }
    // 0: nothing waits. Of what waits since before the first look: since that.
    std::chrono::microseconds lag() const;
    bool is_late() const noexcept { return is_late_; }
    // The transaction that ran longest when it was found late; empty: none, or not to be seen.
    std::string held_by() const;

private:
    Task<void> look_for_lateness(Context& context);

    Recorder& recorder_;
    const std::chrono::milliseconds lag_max_;
    telemetry::Registry& registry_;
    const Timestamp began_ = Timestamp::now();
    std::atomic<std::int64_t> as_of_{0};
    std::atomic<bool> is_late_{false};
    mutable std::mutex mutex_;
    std::string held_by_;
};

}  // namespace loadstone::analytics
