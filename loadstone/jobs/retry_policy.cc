#include "loadstone/jobs/retry_policy.h"

#include <algorithm>

namespace loadstone::jobs {

namespace {

using std::chrono::milliseconds;

milliseconds scaled(milliseconds base, double factor) {
    return milliseconds(static_cast<std::int64_t>(static_cast<double>(base.count()) * factor));
}

milliseconds backoff(const Policy& policy, int attempt) {
    milliseconds wait = policy.backoff_min;
    for (int i = 1; i < attempt && wait < policy.backoff_max; ++i) wait *= 2;
    return std::min(wait, policy.backoff_max);
}

}  // namespace

Decision decide(const Policy& policy, const Error& error, int attempt, Random& random) {
    const milliseconds asked = error.retry_after().value_or(milliseconds(0));
    if (policy.buries.contains(error.code())) return {Verdict::bury, milliseconds(0)};
    const double spread = 2 * policy.jitter;
    switch (error.code()) {
        case Errc::unavailable:
        case Errc::cancelled: {
            if (error.code() == Errc::cancelled && asked.count() > 0)
                return {Verdict::snooze, asked};
            const milliseconds wait = asked.count() > 0 ? asked : policy.backoff_min;
            return {Verdict::snooze, scaled(wait, 1.0 + spread * random.uniform())};
        }
        default: break;
    }
    if (attempt >= policy.attempts_max) return {Verdict::bury, milliseconds(0)};
    const double factor = 1.0 - policy.jitter + spread * random.uniform();
    const milliseconds wait = scaled(backoff(policy, attempt), factor);
    return {Verdict::retry, std::max(wait, asked)};
}

}  // namespace loadstone::jobs
