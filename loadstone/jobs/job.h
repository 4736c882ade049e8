#pragma once
// Job<T>: what a handler gets: the arguments, and what is known of this run. A handler is
// Task<void>(Context&, Job<T>). It runs at least once; its effect in the database happens exactly
// once if it completes the job in the transaction that makes it:
//
//     co_await context.write(record_delivery, job.lease(), outcome);
//     Task<void> record_delivery(Tx& tx, Lease lease, Outcome outcome) {
//         co_await complete(tx, lease);   // throws cancelled if the lease was lost: all rolls back
//         ...

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "loadstone/base/describe.h"
#include "loadstone/runtime/context.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

// Who may finish a job: the process that claimed it, in the batch with which it did. The database
// knows which process holds the batch, so one that lost its lease cannot finish or fail.
struct Lease {
    std::int64_t job = 0;
    std::int64_t process = 0;
    std::int64_t batch = 0;
};
BOOST_DESCRIBE_STRUCT(Lease, (), (job, process, batch))

// What a handler that has done something final outside the database needs to record it, though its
// time is up or its process stops (Context::shield). A stopping runner waits that long for it.
inline constexpr std::chrono::milliseconds recording_grace{5'000};

// Finishes the job in this transaction. Errc::cancelled if the lease was lost.
Task<void> complete(Tx& tx, const Lease& lease);

struct JobInfo {
    Lease lease;
    std::string kind;             // "accounts.SendWelcomeEmail"
    std::string idempotency_key;  // the same in every attempt, unique to this job
    std::string arguments;        // JSON
    std::string cause;            // the request or job that enqueued it, e.g. "POST /api/register"
    int attempt = 1;
    int crashes = 0;  // processes that died while they ran it
    Timestamp enqueued_at;
};

template <class T>
class Job {
public:
    Job(const JobInfo& info, T arguments) : info_(&info), arguments_(std::move(arguments)) {}

    const T& operator*() const noexcept { return arguments_; }
    const T* operator->() const noexcept { return &arguments_; }
    const Lease& lease() const noexcept { return info_->lease; }
    const std::string& idempotency_key() const noexcept { return info_->idempotency_key; }
    int attempt() const noexcept { return info_->attempt; }

private:
    const JobInfo* info_;  // outlives the handler
    T arguments_;
};

}  // namespace loadstone::jobs

namespace loadstone {
using jobs::Job;
}
