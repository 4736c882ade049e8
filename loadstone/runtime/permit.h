#pragma once
// Permit: what has been acquired of a Semaphore, given back at the end of its scope.

#include "loadstone/runtime/semaphore.h"

namespace loadstone::runtime {

class Permit {
public:
    // After acquire() gave Acquired::yes.
    explicit Permit(Semaphore& semaphore) noexcept : semaphore_(semaphore) {}
    Permit(const Permit&) = delete;
    Permit& operator=(const Permit&) = delete;
    ~Permit() { semaphore_.release(); }

private:
    Semaphore& semaphore_;
};

}  // namespace loadstone::runtime
