#include "loadstone/jobs/admin.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "loadstone/base/json.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

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

Task<bool> revive(Tx& tx, const std::string& ids_json) {
    const auto locked = co_await tx.many<std::int64_t>(sql::lock_dead, ids_json);
    if (locked.empty()) co_return false;
    co_await tx.exec(sql::dead_to_ready, ids_json);
    co_await tx.exec(sql::remove_dead, ids_json);
    co_return true;
}

struct QueueCounts {
    std::string name;
    std::int64_t ready = 0, oldest_us = 0, scheduled = 0, running = 0, dead = 0;
};
BOOST_DESCRIBE_STRUCT(QueueCounts, (), (name, ready, oldest_us, scheduled, running, dead))

struct Place {
    std::string queue;
    int priority = 0;
    std::int64_t seq = 0;
};
BOOST_DESCRIBE_STRUCT(Place, (), (queue, priority, seq))

struct RunsIn {
    std::string name;
    Timestamp claimed_at;
};
BOOST_DESCRIBE_STRUCT(RunsIn, (), (name, claimed_at))

Task<std::string> why_ready(Reader reader, const Place place) {
    const auto paused = co_await reader.many<std::string>(sql::paused_queues);
    if (std::ranges::find(paused, place.queue) != paused.end())
        co_return fmt::format("its queue, {}, is paused", place.queue);
    const auto processes = co_await reader.one<std::int64_t>(sql::live_processes);
    if (processes == 0) co_return std::string("no process runs jobs now");
    const auto before = co_await reader.one<std::int64_t>(sql::ready_before, place.queue,
                                                          place.priority, place.seq);
    if (before > 0)
        co_return fmt::format("{} ready jobs of queue {} go first", before, place.queue);
    co_return fmt::format(
        "it is the next of queue {}: all places of the queue are taken, or none of the {} "
        "processes that run jobs knows its kind",
        place.queue, processes);
}

std::string failure_of(const JobRow& job) {
    return job.last_error.empty() ? "" : ": " + job.last_error;
}

}  // namespace

Task<std::vector<JobRow>> list_jobs(Reader reader, JobFilter filter) {
    const std::int64_t below =
        filter.before > 0 ? filter.before : std::numeric_limits<std::int64_t>::max();
    co_return co_await reader.many<JobRow>(sql::jobs_before, filter.state, filter.kind,
                                           filter.queue, below, filter.limit);
}

Task<std::optional<JobRow>> job_by_id(Reader reader, std::int64_t id) {
    co_return co_await reader.maybe<JobRow>(sql::job_by_id, id);
}

Task<bool> retry_job(Tx& tx, std::int64_t id) {
    const std::string ids = fmt::format("[{}]", id);
    bool is_due = co_await make_due(tx, ids);
    if (!is_due) is_due = co_await revive(tx, ids);
    if (is_due) {
        wake_after(tx);
        co_return true;
    }
    const auto job = co_await tx.maybe<JobRow>(sql::job_by_id, id);
    co_return job && job->state == "waiting";  // and due already
}

Task<bool> cancel_job(Tx& tx, std::int64_t id) {
    const std::string ids = fmt::format("[{}]", id);
    auto removed = co_await tx.exec(sql::remove_scheduled, ids);
    if (removed == 0) removed = co_await tx.exec(sql::cancel_ready, id);
    co_return removed > 0;
}

Task<Redriven> redrive(Tx& tx, DeadFilter filter, std::int64_t after, std::int64_t limit) {
    Redriven redriven;
    const auto ids = co_await tx.many<std::int64_t>(sql::dead_jobs_of, filter.kind, filter.queue,
                                                    filter.error, after, limit);
    if (ids.empty()) co_return redriven;
    redriven.jobs = static_cast<std::int64_t>(ids.size());
    redriven.last = ids.back();
    const std::string ids_json = to_json(ids);
    co_await revive(tx, ids_json);
    wake_after(tx);
    co_return redriven;
}

Task<std::vector<QueueStats>> queue_stats(Reader reader) {
    const auto counts = co_await reader.many<QueueCounts>(sql::queue_stats);
    const auto paused = co_await reader.many<std::string>(sql::paused_queues);
    std::vector<QueueStats> all;
    for (const QueueCounts& each : counts) {
        const bool is_paused = std::ranges::find(paused, each.name) != paused.end();
        all.push_back({each.name, each.ready, each.oldest_us, each.scheduled, each.running,
                       each.dead, is_paused});
    }
    co_return all;
}

Task<std::string> why(Reader reader, std::int64_t id) {
    const auto job = co_await job_by_id(reader, id);
    if (!job) co_return std::string("there is no such job: it was never enqueued, or it is done");
    if (job->state == "dead")
        co_return fmt::format("it is a dead letter after {} attempts{}", job->attempt,
                              failure_of(*job));
    const auto runs = co_await reader.maybe<RunsIn>(sql::runs_in, id);
    if (runs && runs->name.empty())
        co_return std::string("its process has died, and it is about to be rescued");
    if (runs)
        co_return fmt::format("it runs, in process {}, which claimed it at {}", runs->name,
                              to_rfc3339(runs->claimed_at));
    const auto place = co_await reader.maybe<Place>(sql::ready_place, id);
    if (!place)
        co_return fmt::format("it is scheduled for {}{}", to_rfc3339(job->run_at),
                              failure_of(*job));
    co_return co_await why_ready(reader, *place);
}

Task<void> pause_queue(Tx& tx, std::string queue, bool is_paused) {
    const int paused = is_paused ? 1 : 0;
    co_await tx.exec(sql::set_paused, queue, paused);
    wake_after(tx);
}

}  // namespace loadstone::jobs
