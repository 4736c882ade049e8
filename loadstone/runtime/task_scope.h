#pragma once
// TaskScope: owns spawned tasks; whoever spawns joins. A task that ends with an exception is
// logged with `name` and counted; it does not end its siblings. Spawned tasks take values or
// references that outlive join().

#include <cstddef>
#include <memory>
#include <string>

#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/task.h"

namespace loadstone::runtime {

class TaskScope {
public:
    explicit TaskScope(std::string name);
    ~TaskScope();  // asserts that nothing runs any more
    TaskScope(const TaskScope&) = delete;
    TaskScope& operator=(const TaskScope&) = delete;

    // From any thread. After close() the task is not started and false is returned. `keep` lives
    // until the task's last slice is over: what holds the SpanSlot of its executor belongs there,
    // because the coroutine's own frame is destroyed inside that slice.
    bool spawn(const Executor& executor, Task<void> task,
               std::shared_ptr<const void> keep = nullptr);
    void close();
    std::size_t running() const noexcept;
    // How many have ended with an exception.
    std::size_t failures() const noexcept;
    // True when all have ended; false when the deadline passed first.
    Task<bool> join(Deadline deadline);
    // The same for a thread that is not a loop.
    bool join_blocking(Deadline deadline);

    struct Impl;

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace loadstone::runtime
