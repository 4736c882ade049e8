#pragma once
// Event: set from any thread, awaited by tasks. Stays set until reset. A waiter that was woken may
// destroy it while set() has not yet returned.

#include <memory>

#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/task.h"

namespace loadstone::runtime {

class Event {
public:
    Event();
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void set();
    void reset();
    bool is_set() const noexcept;
    // True when set, false when the deadline passed first.
    Task<bool> wait(Deadline deadline);

    struct Impl;

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace loadstone::runtime
