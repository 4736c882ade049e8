#pragma once
// LOADSTONE_ASSERT: for bugs, on in every build. It prints the message and the stack and aborts;
// the supervisor restarts the process. It is never used for input or for the outside world.

namespace loadstone {

[[noreturn]] void assertion_failed(const char* expression, const char* message, const char* file,
                                   int line) noexcept;

}  // namespace loadstone

#define LOADSTONE_ASSERT(expression, message) \
    (static_cast<bool>(expression)            \
         ? static_cast<void>(0)               \
         : ::loadstone::assertion_failed(#expression, message, __FILE__, __LINE__))
