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
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "loadstone/base/describe.h"
#include "loadstone/base/json.h"
#include "loadstone/runtime/context.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

struct Kind;

// Who may finish a job: the process that claimed it, in the batch with which it did. The database
// knows which process holds the batch, so one that lost its lease cannot finish or fail.
struct Lease {
    std::int64_t job = 0;
    std::int64_t process = 0;
    std::int64_t batch = 0;
    class RunNotes* notes = nullptr;  // of the run, where it is one
};
BOOST_DESCRIBE_STRUCT(Lease, (), (job, process, batch))

// What a handler that has done something final outside the database needs to record it, though its
// time is up or its process stops (Context::shield). A stopping runner waits that long for it.
inline constexpr std::chrono::milliseconds recording_grace{5'000};

// Finishes the job in this transaction, with what it has given by now (Job::give). Errc::cancelled
// if the lease was lost.
Task<void> complete(Tx& tx, const Lease& lease);

// Saves how far a long job has come, in the transaction of what it did: the next attempt begins
// there. Errc::cancelled if the lease was lost, Errc::invalid_argument if it has more bytes than
// the kind's step_bytes_max. Forgotten when the job has ended.
Task<void> save_step_json(Tx& tx, const Lease& lease, const std::string& name,
                          const std::string& value);
Task<std::optional<std::string>> saved_step_json(Reader reader, std::int64_t job,
                                                 const std::string& name);
// What the job `name` of the same workflow gave (workflow.h); none if it failed or gave nothing.
Task<std::optional<std::string>> result_json(Reader reader, std::int64_t job,
                                             const std::string& name);

template <class T>
Task<void> save_step(Tx& tx, const Lease& lease, const std::string& name, const T& value) {
    const std::string json = to_json(value);
    co_await save_step_json(tx, lease, name, json);
}
template <class T>
Task<std::optional<T>> saved_step(Reader reader, const Lease& lease, const std::string& name) {
    const auto json = co_await saved_step_json(reader, lease.job, name);
    std::optional<T> value;
    if (json) value = value_or_throw(from_json<T>(*json, stored_json));
    co_return value;
}
template <class T>
Task<std::optional<T>> result_of(Reader reader, const Lease& lease, const std::string& name) {
    const auto json = co_await result_json(reader, lease.job, name);
    std::optional<T> value;
    if (json) value = value_or_throw(from_json<T>(*json, stored_json));
    co_return value;
}

// To throw: the job is put off for that long; it counts as no attempt.
Error snooze(std::chrono::milliseconds time);

// What a run tells while it runs. Used by the handler and by the runner's tasks.
class RunNotes {
public:
    void begin(const Kind& kind);  // of the next run in the same place
    void report(double fraction, std::string note);
    void give_result(std::string json);  // invalid_argument over the kind's bound

    struct Progress {
        double fraction = 0;
        std::string note;
    };
    // What was reported since it was last asked.
    std::optional<Progress> take_progress();
    std::string result();
    void check_step(const std::string& name, std::size_t bytes) const;  // likewise
    void step_was_saved();
    // Whether anything of it stands in the database, to be forgotten at the end.
    bool is_stored();

private:
    const Kind* kind_ = nullptr;  // of the run; set where nothing runs
    std::mutex mutex_;
    Progress progress_;
    bool changed_ = false;
    bool is_stored_ = false;
    std::string result_;
};

struct JobInfo {
    Lease lease;
    std::string kind;             // "accounts.SendWelcomeEmail"
    std::string idempotency_key;  // the same in every attempt, unique to this job
    std::string arguments;        // JSON
    std::string cause;            // the request or job that enqueued it, e.g. "POST /api/register"
    int version = 1;              // under which they were enqueued
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
    const std::string& cause() const noexcept { return info_->cause; }
    int attempt() const noexcept { return info_->attempt; }

    // Shown to operators and by progress_of(), within about a second. 0 to 1; of the note 500
    // bytes.
    void progress(double fraction, std::string note = "") const {
        info_->lease.notes->report(fraction, std::move(note));
    }
    // What the jobs after it in its workflow can read (result_of), if this run succeeds: before
    // complete(), where it completes itself. At most the kind's result_bytes_max.
    template <class R>
    void give(const R& result) const {
        info_->lease.notes->give_result(to_json(result));
    }

private:
    const JobInfo* info_;  // outlives the handler
    T arguments_;
};

}  // namespace loadstone::jobs

namespace loadstone {
using jobs::Job;
}
