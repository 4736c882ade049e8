#pragma once
// Semaphore: a bounded number of permits with a bounded queue of waiters, first come first served,
// usable from any loop. The fast path is one atomic operation.

#include <cstddef>
#include <memory>

#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/task.h"

namespace loadstone::runtime {

enum class Acquired { yes, queue_full, deadline_passed };

class Semaphore {
public:
    Semaphore(std::size_t permits, std::size_t waiters_max);
    ~Semaphore();  // waiters that are left end at their deadline
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    bool try_acquire() noexcept;
    Task<Acquired> acquire(Deadline deadline);
    void release() noexcept;

    std::size_t in_use() const noexcept;
    std::size_t waiting() const noexcept;
    std::size_t permits() const noexcept;

    struct Impl;

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace loadstone::runtime
