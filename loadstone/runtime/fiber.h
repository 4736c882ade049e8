#pragma once
// Fiber: a call on a stack of its own, which can stop in its middle and go on later. For code that
// knows no coroutines and calls back now and then, as SQLite does: what is left half done keeps
// what it holds, so whatever other code of the thread needs must not be held where it stops.

#include <cstddef>
#include <memory>

#include "loadstone/base/function_ref.h"

namespace loadstone::runtime {

class Fiber {
public:
    static constexpr std::size_t stack_bytes = 512 << 10;  // of address space; used as needed

    // Errors: resource_exhausted, if there is no memory for a stack.
    Fiber();
    ~Fiber();  // no call is under way
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Runs the call until it has ended or stops. True: it has ended; what it throws is thrown here.
    // One at a time. It must not wait for anything, and must stop in no handler of an exception.
    bool start(FunctionRef<void()> call);
    // Of one that has stopped: from the same thread.
    bool resume();
    // Inside the call: back to start() or resume(); returns when it is resumed.
    void stop() noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::runtime
