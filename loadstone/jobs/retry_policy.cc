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
    switch (error.code()) {
        case Errc::invalid_argument:
        case Errc::permission_denied:
        case Errc::data_loss: return {Verdict::bury, milliseconds(0)};
        case Errc::unavailable:
        case Errc::cancelled: {
            if (error.code() == Errc::cancelled && asked.count() > 0)
                return {Verdict::snooze, asked};
            const milliseconds wait = asked.count() > 0 ? asked : policy.backoff_min;
            return {Verdict::snooze, scaled(wait, 1.0 + 0.5 * random.uniform())};
        }
        default: break;
    }
    if (attempt >= policy.attempts_max) return {Verdict::bury, milliseconds(0)};
    const milliseconds wait = scaled(backoff(policy, attempt), 0.75 + 0.5 * random.uniform());
    return {Verdict::retry, std::max(wait, asked)};
}

}  // namespace loadstone::jobs
