#pragma once
// What becomes of a job whose handler failed: a pure function of the error, the policy and the
// attempt. The one place that maps Errc to retry.

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/base/random.h"

namespace loadstone::jobs {

struct Policy {
    int attempts_max = 25;                      // failures after which the job is a dead letter
    std::chrono::milliseconds timeout{60'000};  // the context's deadline of one attempt
    std::chrono::milliseconds backoff_min{1'000};
    std::chrono::milliseconds backoff_max{3'600'000};
    // How far a wait before a retry is off at random, up or down, as a part of it: 0..1.
    double jitter = 0.25;
    // What cannot get better by another try. Never Errc::cancelled: a stopping process says that.
    std::set<Errc> buries{Errc::invalid_argument, Errc::permission_denied, Errc::data_loss};
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
// off by `jitter` of it at most, and never less than the error's retry_after. unavailable and
// cancelled snooze: retry_after, else backoff_min, and up to 2 * `jitter` of it more (a handler's
// own snooze() waits as long as it says). What `buries` names is buried at once.
Decision decide(const Policy& policy, const Error& error, int attempt, Random& random);

}  // namespace loadstone::jobs
