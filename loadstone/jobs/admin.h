#pragma once
// What an operator asks of the queue: list, show, retry, cancel, redrive, pause.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

struct JobRow {
    std::int64_t id = 0;
    std::string queue;
    std::string kind;
    std::string state;  // "waiting", "blocked", "running", "dead"
    std::string place;  // of one that waits: "ready", "scheduled"; else empty
    int attempt = 0;    // failed ones
    int crashes = 0;
    Timestamp enqueued_at;
    Timestamp run_at;  // dead: when it was buried
    std::string last_error;
    std::string cause;
    std::string arguments;
    std::string partition_key;  // its tenant and limits (keys.h)
    std::string idempotency_key;
};
BOOST_DESCRIBE_STRUCT(JobRow, (),
                      (id, queue, kind, state, place, attempt, crashes, enqueued_at, run_at,
                       last_error, cause, arguments, partition_key, idempotency_key))

// Of a list; empty: all.
struct JobFilter {
    std::string state;  // of JobRow, or of those that wait "ready", "scheduled", or "retrying"
    std::string kind, queue, tenant, partition;
    std::string error;        // a part of it
    std::int64_t before = 0;  // only smaller ids (keyset), 0: from the newest
    int limit = 50;
};

// Newest first.
Task<std::vector<JobRow>> list_jobs(Reader reader, JobFilter filter);
Task<std::optional<JobRow>> job_by_id(Reader reader, std::int64_t id);
// Those that there are, by id: one statement.
Task<std::map<std::int64_t, JobRow>> jobs_by_id(Reader reader, std::vector<std::int64_t> ids);
// A dead job is put back with its attempts at 0; a waiting one is made due now. False: no such
// job, it runs or waits for others, or it is dead and its unique key taken.
Task<bool> retry_job(Tx& tx, std::int64_t id);
// In a sentence, why that was of no effect.
Task<std::string> why_not_retried(Reader reader, std::int64_t id);
struct Cancelled {
    bool was_dropped = false;  // it waited, and is gone
    bool was_asked = false;  // it runs: its context is cancelled within a second, and soon it ends
};
BOOST_DESCRIBE_STRUCT(Cancelled, (), (was_dropped, was_asked))
// Neither: there is no such job, or it is a dead letter.
// It is the first statement of its transaction, which on PostgreSQL is READ COMMITTED by it.
Task<Cancelled> cancel_job(Tx& tx, std::int64_t id);

// All jobs that have not ended of a workflow, or of a batch with what ends it: `id` is that of any
// of them, or of its last step or what ends it (workflow.h). Those that wait are dropped, those
// that run are told to stop. For operators and seldom acts: it reads the tables. As cancel_job it
// is the first statement of its transaction.
struct CancelledWorkflow {
    std::int64_t dropped = 0;
    std::int64_t asked = 0;
};
BOOST_DESCRIBE_STRUCT(CancelledWorkflow, (), (dropped, asked))
Task<CancelledWorkflow> cancel_workflow(Tx& tx, std::int64_t id);

// What a running job has last told.
struct Progress {
    double fraction = 0;
    std::string note;
    Timestamp reported_at;
};
BOOST_DESCRIBE_STRUCT(Progress, (), (fraction, note, reported_at))
Task<std::optional<Progress>> progress_of(Reader reader, std::int64_t id);

// What operators set instead of what the code declares, on all nodes within a second. Below 0: as
// in the code.
struct LimitChange {
    std::string name;  // of a limit, or "tenant:" and a tenant, whose weight it is
    int running_max = -1;
    double per_second = -1;
    int burst = -1;
    double weight = -1;
};
Task<void> set_limit(Tx& tx, LimitChange change);
// As set_limit, but what is below 0 stays as it has been set before.
Task<void> change_limit(Tx& tx, LimitChange change);
// False: nothing was set.
Task<bool> unset_limit(Tx& tx, std::string name);

// Which dead letters; empty: all.
struct DeadFilter {
    std::string kind, queue;
    std::string error;  // a part of it
};
BOOST_DESCRIBE_STRUCT(DeadFilter, (), (kind, queue, error))

// Up to `limit` dead letters with ids above `after` are put back, with attempts and crashes at 0.
struct Redriven {
    std::int64_t jobs = 0;
    std::int64_t left = 0;  // whose unique keys other jobs have taken meanwhile
    std::int64_t last = 0;  // for the next call's `after`
};
BOOST_DESCRIBE_STRUCT(Redriven, (), (jobs, left, last))
Task<Redriven> redrive(Tx& tx, DeadFilter filter, std::int64_t after, std::int64_t limit);

struct QueueStats {
    std::string name;
    std::int64_t ready = 0;
    std::int64_t oldest_us = 0;  // how long the oldest ready job has been due
    std::int64_t scheduled = 0, blocked = 0, running = 0;
    std::int64_t retrying = 0;  // of those that wait, how many have failed before
    std::int64_t dead = 0;
    bool is_paused = false;
};
BOOST_DESCRIBE_STRUCT(QueueStats, (),
                      (name, ready, oldest_us, scheduled, blocked, running, retrying, dead,
                       is_paused))
Task<std::vector<QueueStats>> queue_stats(Reader reader);
// Of one queue, or of what is of one kind; empty: all.
struct StatsFilter {
    std::string queue, kind;
};
// Those of `also` that the filter's queue allows are among them if nothing of them is there.
Task<std::vector<QueueStats>> queue_stats(Reader reader, StatsFilter filter,
                                          std::set<std::string> also = {});
// Of those that run jobs: HOST:PID.
Task<std::vector<std::string>> process_names(Reader reader);

// How long the oldest runnable job of each queue has been due.
struct QueueAge {
    std::string queue;
    std::int64_t age = 0;  // microseconds
};
BOOST_DESCRIBE_STRUCT(QueueAge, (), (queue, age))
Task<std::vector<QueueAge>> oldest_due_ages(Reader reader);

// How long what has ended is kept.
struct Retention {
    int dead_letters_days = 30;  // 0: for ever
};
// Forgets what is older, some at a time, and what says nothing any more. False: there is more.
Task<bool> prune(Tx& tx, Retention retention);

// By module, how many of its jobs a process runs at once (its budget's jobs_max); a service of who
// asks why() and knows them.
struct ModulePlaces {
    std::map<std::string, std::size_t> jobs_max;
};
// In a sentence, why this job is not running now, or that it is.
Task<std::string> why(Reader reader, std::int64_t id);

// Of a paused queue nothing is claimed, by any process, within about a second; what runs goes on.
// Errc::not_found: no module of this program declares it, and no job is of it.
Task<void> pause_queue(Tx& tx, std::string queue, bool is_paused);

}  // namespace loadstone::jobs
