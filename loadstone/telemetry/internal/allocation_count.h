#pragma once
// The counts that operator new keeps. thread_usage.cc reads them, and by that links
// allocation_count.cc out of the static library into the program.

#include "loadstone/telemetry/thread_usage.h"

namespace loadstone::telemetry {

// Initial-exec: one load from the thread pointer, and no allocation on a thread's first access.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local AllocationCount allocation_count;

}  // namespace loadstone::telemetry
