#pragma once
// Semaphore: a bounded number of permits with a bounded queue of waiters, first come first served,
// usable from any loop. The fast path is one atomic operation. The number of permits may change.

#include <cstddef>
#include <memory>

#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/task.h"

namespace loadstone::runtime {

enum class Acquired { yes, queue_full, deadline_passed };

class Semaphore {
public:
    // Of permits, and of waiters.
    static constexpr std::size_t count_max = (std::size_t{1} << 21) - 1;

    // 1 to `count_max` permits, at most `count_max` waiters.
    Semaphore(std::size_t permits, std::size_t waiters_max);
    ~Semaphore();  // waiters that are left end at their deadline
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    bool try_acquire() noexcept;
    Task<Acquired> acquire(Deadline deadline);
    void release() noexcept;
    // From any thread. More permits go to those who wait, in order. Fewer take none away: until no
    // more than `permits` are in use, those given back are handed to nobody. 1 to `count_max`.
    void resize(std::size_t permits) noexcept;

    // Above permits() for a while after it became fewer.
    std::size_t in_use() const noexcept;
    std::size_t waiting() const noexcept;
    std::size_t permits() const noexcept;

    struct Impl;

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace loadstone::runtime
