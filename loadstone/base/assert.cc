#include "loadstone/base/assert.h"

#include <execinfo.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace loadstone {

void assertion_failed(const char* expression, const char* message, const char* file,
                      int line) noexcept {
    // A reader of stderr that is stuck must not keep the process from ending.
    std::signal(SIGALRM, SIG_DFL);
    alarm(2);
    std::fprintf(stderr, "%s:%d: assertion failed: %s (%s)\n", file, line, message, expression);
    void* frames[64];
    const int depth = backtrace(frames, 64);
    backtrace_symbols_fd(frames, depth, STDERR_FILENO);
    std::abort();
}

}  // namespace loadstone
