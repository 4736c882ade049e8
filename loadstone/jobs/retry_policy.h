#pragma once
// What becomes of a job whose handler failed: a pure function of the error, the policy and the
// attempt. The one place that maps Errc to retry.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/base/random.h"

namespace loadstone::jobs {

struct Policy {
    int attempts_max = 25;                      // failures after which the job is a dead letter
    std::chrono::milliseconds timeout{60'000};  // the context's deadline of one attempt
    std::chrono::milliseconds backoff_min{1'000};
    std::chrono::milliseconds backoff_max{3'600'000};
    int priority = 0;                            // higher first
    std::chrono::milliseconds expires_after{0};  // 0: never
    // As JSON. What is larger belongs into a table or file of the application's.
    std::size_t result_bytes_max = std::size_t{64} * 1024;  // of what a run gives
    std::size_t step_bytes_max = std::size_t{64} * 1024;    // of one saved step
};

enum class Verdict {
    retry,   // counts as an attempt
    snooze,  // does not: the world was not ready (Errc::unavailable)
    bury,    // dead letter
};

struct Decision {
    Verdict verdict = Verdict::retry;
    std::chrono::milliseconds delay{0};
};

// `attempt` is 1 for the first. Retries wait backoff_min * 2^(attempt-1), at most backoff_max,
// with +-25 % jitter, and never less than the error's retry_after. unavailable and cancelled
// snooze: retry_after, else backoff_min, with 0..50 % added jitter (a handler's own snooze() has
// none). invalid_argument,
// permission_denied and data_loss cannot get better: they bury at once.
Decision decide(const Policy& policy, const Error& error, int attempt, Random& random);

}  // namespace loadstone::jobs
