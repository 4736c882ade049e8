#include "loadstone/jobs/admin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

constexpr std::int64_t prune_max = 1'000;
constexpr std::chrono::hours limits_kept{1};
constexpr std::int64_t dropped_at_once = 1'000;

void wake_after(Tx& tx) {
    if (Queue* queue = tx.context().services().find<Queue>(); queue != nullptr)
        tx.after_commit([queue] { queue->wake(); });
}

// Locked first: another operator or a runner may be moving the same job.
Task<bool> make_due(Tx& tx, const std::string& id_json) {
    const auto locked = co_await tx.many<std::int64_t>(sql::lock_scheduled, id_json);
    if (locked.empty()) co_return false;
    co_await tx.exec(sql::ready_scheduled, id_json);
    co_await tx.exec(sql::remove_scheduled, id_json);
    co_return true;
}

struct DeadRow {
    std::int64_t id = 0;
    std::string extra;
};
BOOST_DESCRIBE_STRUCT(DeadRow, (), (id, extra))

// A dead letter gave its unique key back: it must be free to be taken again.
Task<bool> retakes_unique(Tx& tx, const DeadRow& dead) {
    if (dead.extra.empty()) co_return true;
    const internal::Extra extra = internal::extra_of(dead.extra);
    if (!extra.gives_unique_back) co_return true;
    const std::int64_t until_end = 0;
    const auto taken = co_await tx.maybe<std::int64_t>(sql::take_unique, extra.unique, until_end);
    if (!taken) co_return false;
    co_await tx.exec(sql::unique_is_of, extra.unique, dead.id);
    co_return true;
}

// Those of a workflow that wait, some at a time.
Task<std::int64_t> drop_all(Tx& tx, const store::Command& cancel, std::int64_t last,
                            std::string mark, bool were_blocked) {
    std::int64_t dropped = 0;
    for (;;) {
        auto some = co_await tx.many<internal::StoredJob>(cancel, last, mark, dropped_at_once);
        const auto count = static_cast<std::int64_t>(some.size());
        dropped += count;
        if (count > 0) co_await internal::drop(tx, std::move(some), were_blocked);
        if (count < dropped_at_once) co_return dropped;
    }
}

Task<std::int64_t> ask_all(Tx& tx, std::int64_t last, std::string mark) {
    const auto asked = co_await tx.exec(sql::ask_cancel_workflow, last, mark);
    co_return static_cast<std::int64_t>(asked);
}

// How many of them are ready now.
Task<std::int64_t> revive(Tx& tx, const std::string& ids_json) {
    const auto locked = co_await tx.many<DeadRow>(sql::lock_dead, ids_json);
    std::vector<std::int64_t> ids;
    for (const DeadRow& dead : locked) {
        if (co_await retakes_unique(tx, dead)) ids.push_back(dead.id);
    }
    if (ids.empty()) co_return 0;
    const std::string json = to_json(ids);
    co_await tx.exec(sql::dead_to_ready, json);
    co_await tx.exec(sql::remove_dead, json);
    co_await tx.exec(sql::remove_cancels, json);  // asked for while they ran, before they died
    co_return static_cast<std::int64_t>(ids.size());
}

struct QueueCounts {
    std::string name;
    std::int64_t ready = 0, oldest_us = 0, scheduled = 0, blocked = 0, running = 0;
    std::int64_t retrying = 0, dead = 0;
};
BOOST_DESCRIBE_STRUCT(QueueCounts, (),
                      (name, ready, oldest_us, scheduled, blocked, running, retrying, dead))

std::string ids_of(std::int64_t id) { return fmt::format("[{}]", id); }

struct RunsIn {
    std::string name;
    Timestamp claimed_at;
};
BOOST_DESCRIBE_STRUCT(RunsIn, (), (name, claimed_at))

// A name that nobody knows is a slip of the pen.
Task<void> require_queue(Tx& tx, std::string name) {
    std::set<std::string> names;
    if (const Queue* queue = tx.context().services().find<Queue>(); queue != nullptr) {
        for (const auto& kind : queue->kinds()) names.insert(kind->queue);
    }
    if (names.contains(name)) co_return;
    const auto known = co_await tx.maybe<std::string>(sql::known_queue, name);
    if (!known)
        throw Error(Errc::not_found, fmt::format("there is no queue \"{}\": there are {}", name,
                                                 fmt::join(names, ", ")));
}

}  // namespace

Task<std::vector<JobRow>> list_jobs(Reader reader, JobFilter filter) {
    const std::int64_t below =
        filter.before > 0 ? filter.before : std::numeric_limits<std::int64_t>::max();
    const std::string tenant = tenant_in_partition(filter.tenant);
    co_return co_await reader.many<JobRow>(sql::jobs_before, filter.state, filter.kind,
                                           filter.queue, tenant, filter.partition, below,
                                           filter.limit, filter.error);
}

Task<std::optional<JobRow>> job_by_id(Reader reader, std::int64_t id) {
    const std::string ids = ids_of(id);
    co_return co_await reader.maybe<JobRow>(sql::jobs_by_id, ids);
}

Task<std::map<std::int64_t, JobRow>> jobs_by_id(Reader reader, std::vector<std::int64_t> ids) {
    const std::string json = to_json(ids);
    auto rows = co_await reader.many<JobRow>(sql::jobs_by_id, json);
    std::map<std::int64_t, JobRow> jobs;
    for (JobRow& row : rows) jobs.emplace(row.id, std::move(row));
    co_return jobs;
}

Task<bool> retry_job(Tx& tx, std::int64_t id) {
    const std::string ids = ids_of(id);
    bool is_due = co_await make_due(tx, ids);
    if (!is_due) is_due = co_await revive(tx, ids) > 0;
    if (is_due) {
        wake_after(tx);
        co_return true;
    }
    const auto job = co_await tx.maybe<JobRow>(sql::jobs_by_id, ids);
    co_return job && job->state == "waiting";  // and due already
}

Task<std::string> why_not_retried(Reader reader, std::int64_t id) {
    const auto job = co_await job_by_id(reader, id);
    if (job && job->state == "dead") {
        const std::string ids = ids_of(id);
        const auto dead = co_await reader.maybe<DeadRow>(sql::dead_by_id, ids);
        const std::string key = dead ? internal::extra_of(dead->extra).unique : "";
        const auto holder = co_await reader.maybe<std::int64_t>(sql::unique_holder, key);
        if (holder) co_return fmt::format("its unique key, {}, is taken by job {}", key, *holder);
    }
    co_return co_await why(reader, id);
}

Task<Cancelled> cancel_job(Tx& tx, std::int64_t id) {
    tx.see_commits();
    Cancelled cancelled;
    auto waiting = co_await tx.maybe<internal::StoredJob>(sql::cancel_scheduled, id);
    const std::string ids = ids_of(id);
    if (!waiting) waiting = co_await tx.maybe<internal::StoredJob>(sql::cancel_ready, ids);
    const bool was_blocked = !waiting;
    if (!waiting) waiting = co_await tx.maybe<internal::StoredJob>(sql::cancel_blocked, id);
    if (waiting) {
        std::vector<internal::StoredJob> dropped;
        dropped.push_back(std::move(*waiting));
        co_await internal::drop(tx, std::move(dropped), was_blocked);
        wake_after(tx);
        cancelled.was_dropped = true;
        co_return cancelled;
    }
    const auto runs = co_await tx.maybe<RunsIn>(sql::runs_in, id);
    if (runs) co_await tx.exec(sql::ask_cancel, id);
    cancelled.was_asked = runs.has_value();
    co_return cancelled;
}

Task<CancelledWorkflow> cancel_workflow(Tx& tx, std::int64_t id) {
    tx.see_commits();
    const auto extra = co_await tx.maybe<std::string>(sql::extra_of_job, id);
    const std::int64_t named = extra ? internal::extra_of(*extra).workflow : 0;
    const std::int64_t last = named != 0 ? named : id;
    const std::string mark = fmt::format("\"workflow\":{}}}", last);
    CancelledWorkflow cancelled;
    // Those that wait for others first: what ends meanwhile makes none of them ready.
    cancelled.dropped += co_await drop_all(tx, sql::cancel_workflow_blocked, last, mark, true);
    cancelled.asked += co_await ask_all(tx, last, mark);
    cancelled.dropped += co_await drop_all(tx, sql::cancel_workflow_scheduled, last, mark, false);
    cancelled.dropped += co_await drop_all(tx, sql::cancel_workflow_ready, last, mark, false);
    cancelled.asked += co_await ask_all(tx, last, mark);  // what was claimed in between
    wake_after(tx);
    co_return cancelled;
}

Task<Redriven> redrive(Tx& tx, DeadFilter filter, std::int64_t after, std::int64_t limit) {
    Redriven redriven;
    const auto ids = co_await tx.many<std::int64_t>(sql::dead_jobs_of, filter.kind, filter.queue,
                                                    filter.error, after, limit);
    if (ids.empty()) co_return redriven;
    redriven.last = ids.back();
    const std::string ids_json = to_json(ids);
    redriven.jobs = co_await revive(tx, ids_json);
    redriven.left = static_cast<std::int64_t>(ids.size()) - redriven.jobs;
    wake_after(tx);
    co_return redriven;
}

Task<std::vector<QueueStats>> queue_stats(Reader reader) {
    co_return co_await queue_stats(reader, StatsFilter());
}

Task<std::vector<std::string>> process_names(Reader reader) {
    co_return co_await reader.many<std::string>(sql::process_names);
}

Task<std::vector<QueueStats>> queue_stats(Reader reader, StatsFilter filter,
                                          std::set<std::string> also) {
    auto counts = co_await reader.many<QueueCounts>(sql::queue_stats, filter.queue, filter.kind);
    for (const QueueCounts& each : counts) also.erase(each.name);
    for (const std::string& name : also) {
        if (filter.queue.empty() || name == filter.queue) counts.push_back({.name = name});
    }
    std::ranges::sort(counts, {}, &QueueCounts::name);
    const auto paused = co_await reader.many<std::string>(sql::paused_queues);
    std::vector<QueueStats> all;
    for (const QueueCounts& each : counts) {
        const bool is_paused = std::ranges::find(paused, each.name) != paused.end();
        all.push_back({each.name, each.ready, each.oldest_us, each.scheduled, each.blocked,
                       each.running, each.retrying, each.dead, is_paused});
    }
    co_return all;
}

Task<void> pause_queue(Tx& tx, std::string queue, bool is_paused) {
    co_await require_queue(tx, queue);
    const int paused = is_paused ? 1 : 0;
    co_await tx.exec(sql::set_paused, queue, paused);
    wake_after(tx);
}

Task<std::vector<QueueAge>> oldest_due_ages(Reader reader) {
    co_return co_await reader.many<QueueAge>(sql::oldest_due_ages);
}

Task<bool> prune_limits(Tx& tx, std::int64_t idle_us) {
    tx.see_commits();
    const auto names = co_await tx.many<std::string>(sql::idle_limits, idle_us, prune_max);
    if (names.empty()) co_return true;
    const std::string json = to_json(names);
    co_await tx.many<std::string>(sql::lock_limits, json);
    co_await tx.exec(sql::remove_limit_states, json);
    co_await tx.exec(sql::remove_limits, json);
    co_return static_cast<std::int64_t>(names.size()) < prune_max;
}

// Of jobs that had ended before they were seen.
Task<void> prune_cancels(Tx& tx) {
    auto gone = co_await tx.many<std::int64_t>(sql::old_cancels);
    if (gone.empty()) co_return;
    const std::string asked = to_json(gone);
    const auto jobs = co_await tx.many<JobRow>(sql::jobs_by_id, asked);
    std::erase_if(gone, [&](std::int64_t id) {
        const auto job = std::ranges::find(jobs, id, &JobRow::id);
        return job != jobs.end() && job->state != "dead";
    });
    if (gone.empty()) co_return;
    const std::string json = to_json(gone);
    co_await tx.exec(sql::remove_cancels, json);
}

Task<bool> prune(Tx& tx, Retention retention) {
    const std::int64_t idle = std::chrono::microseconds(limits_kept).count();
    const bool all_limits = co_await prune_limits(tx, idle);
    co_await tx.exec(sql::prune_unique);
    co_await prune_cancels(tx);
    if (retention.dead_letters_days == 0) co_return all_limits;
    const std::int64_t kept =
        std::chrono::microseconds(std::chrono::hours(24) * retention.dead_letters_days).count();
    const auto pruned = co_await tx.exec(sql::prune_dead, kept, prune_max);
    co_return all_limits&& pruned < static_cast<std::uint64_t>(prune_max);
}

Task<std::optional<Progress>> progress_of(Reader reader, std::int64_t id) {
    co_return co_await reader.maybe<Progress>(sql::progress, id);
}

Task<void> set_limit(Tx& tx, LimitChange change) {
    co_await tx.exec(sql::set_limit, change.name, change.running_max, change.per_second,
                     change.burst, change.weight);
    wake_after(tx);
}

Task<void> change_limit(Tx& tx, LimitChange change) {
    co_await tx.exec(sql::change_limit, change.name, change.running_max, change.per_second,
                     change.burst, change.weight);
    wake_after(tx);
}

Task<bool> unset_limit(Tx& tx, std::string name) {
    const auto removed = co_await tx.exec(sql::unset_limit, name);
    wake_after(tx);
    co_return removed > 0;
}

}  // namespace loadstone::jobs
