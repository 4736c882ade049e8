// campus jobs ...: what an operator sees of the queue, and does to it.

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/commands.h"
#include "loadstone/store/context_store.h"

namespace loadstone::server::internal {

namespace {

constexpr std::int64_t redrive_batch_max = 500;

std::string age_text(Timestamp since) {
    const auto age = Timestamp::now() - since;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
    if (seconds < 0) return fmt::format("in {}s", -seconds);
    if (seconds < 120) return fmt::format("{}s ago", seconds);
    if (seconds < 7'200) return fmt::format("{}m ago", seconds / 60);
    return fmt::format("{}h ago", seconds / 3'600);
}

Task<std::vector<jobs::JobRow>> list_in(Context& context, JobsQuery query) {
    jobs::JobFilter filter;
    filter.state = std::move(query.state);
    filter.kind = std::move(query.kind);
    filter.queue = std::move(query.queue);
    filter.before = query.before;
    filter.limit = query.limit;
    co_return co_await jobs::list_jobs(context.reader(), std::move(filter));
}

Task<std::optional<jobs::JobRow>> show_in(Context& context, std::int64_t id) {
    co_return co_await jobs::job_by_id(context.reader(), id);
}

Task<bool> retry_in(Context& context, std::int64_t id) {
    co_return co_await context.write(jobs::retry_job, id);
}

Task<jobs::Cancelled> cancel_in(Context& context, std::int64_t id) {
    co_return co_await context.write(jobs::cancel_job, id);
}

// All of it, in batches; with a rate no faster than that.
Task<std::int64_t> redrive_in(Context& context, RedriveQuery query) {
    const jobs::DeadFilter filter{query.kind, query.queue, query.error};
    const std::int64_t limit =
        query.rate > 0 ? std::min(redrive_batch_max, query.rate) : redrive_batch_max;
    std::int64_t total = 0;
    std::int64_t last = 0;
    const auto began = Deadline::Clock::now();
    for (;;) {
        const jobs::Redriven redriven = co_await context.write(jobs::redrive, filter, last, limit);
        total += redriven.jobs;
        last = redriven.last;
        if (redriven.last == 0) co_return total;
        print(fmt::format("{} dead jobs put back so far\n", total));
        if (query.rate > 0) {
            const Deadline next(began + std::chrono::seconds(total / query.rate));
            co_await runtime::sleep_until(next);
        }
    }
}

Task<bool> pause_in(Context& context, std::string queue, bool is_paused) {
    co_await context.write(jobs::pause_queue, queue, is_paused);
    co_return true;
}

Task<std::vector<jobs::QueueStats>> stats_in(Context& context) {
    co_return co_await jobs::queue_stats(context.reader());
}

Task<std::string> why_in(Context& context, std::int64_t id) {
    co_return co_await jobs::why(context.reader(), id);
}

std::string seconds_text(std::int64_t micros) {
    return fmt::format("{:.1f}s", static_cast<double>(micros) / 1e6);
}

}  // namespace

void list_jobs_command(const Config& config, const std::vector<Module>& modules,
                       const JobsQuery& query) {
    CommandSession session(config, modules);
    const auto rows = run_blocking(session.loops(), list_in(session.context(), query));
    if (query.json) {
        print(to_json(rows) + "\n");
        return;
    }
    if (rows.empty()) {
        print("no jobs\n");
        return;
    }
    print(fmt::format("{:>10}  {:<36} {:<8} {:>7} {:>7}  {:<10} {:<10} {}\n", "ID", "KIND", "STATE",
                      "ATTEMPT", "CRASHES", "ENQUEUED", "RUN AT", "LAST ERROR"));
    for (const auto& row : rows) {
        print(fmt::format("{:>10}  {:<36} {:<8} {:>7} {:>7}  {:<10} {:<10} {}\n", row.id, row.kind,
                          row.state, row.attempt, row.crashes, age_text(row.enqueued_at),
                          age_text(row.run_at), row.last_error.substr(0, 80)));
    }
}

void show_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                      bool json) {
    CommandSession session(config, modules);
    const auto row = run_blocking(session.loops(), show_in(session.context(), id));
    if (!row)
        throw Error(Errc::not_found,
                    fmt::format("there is no job {}: it was never enqueued, or it is done", id));
    if (json) {
        print(to_json(*row) + "\n");
        return;
    }
    print(fmt::format(
        "id               {}\nkind             {}\nqueue            {}\nstate            {}\n"
        "failed attempts  {}\ncrashes          {}\n"
        "enqueued at      {}\n{} {}\nidempotency key  {}\ncause            {}\narguments        "
        "{}\nlast error       {}\n",
        row->id, row->kind, row->queue, row->state, row->attempt, row->crashes,
        to_rfc3339(row->enqueued_at),
        row->state == "dead" ? "buried at       " : "run at          ", to_rfc3339(row->run_at),
        row->idempotency_key, row->cause, row->arguments,
        row->last_error.empty() ? "-" : row->last_error));
}

void retry_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id) {
    CommandSession session(config, modules);
    if (!run_blocking(session.loops(), retry_in(session.context(), id))) {
        if (run_blocking(session.loops(), show_in(session.context(), id)))
            throw Error(Errc::conflict, fmt::format("job {} runs now", id));
        throw Error(Errc::not_found,
                    fmt::format("there is no job {}: it was never enqueued, or it is done", id));
    }
    print(fmt::format("job {} is due now\n", id));
}

void cancel_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id) {
    CommandSession session(config, modules);
    const auto cancelled = run_blocking(session.loops(), cancel_in(session.context(), id));
    if (cancelled.was_dropped) {
        print(fmt::format("job {} is cancelled\n", id));
    } else if (cancelled.was_asked) {
        print(fmt::format("job {} runs: it is told to stop, and ends within seconds\n", id));
    } else {
        const std::string why = run_blocking(session.loops(), why_in(session.context(), id));
        throw Error(Errc::conflict, fmt::format("job {} is not cancelled: {}", id, why));
    }
}

void redrive_command(const Config& config, const std::vector<Module>& modules,
                     const RedriveQuery& query) {
    CommandSession session(config, modules);
    const std::int64_t total = run_blocking(session.loops(), redrive_in(session.context(), query));
    print(fmt::format("{} dead jobs are ready again\n", total));
}

void pause_command(const Config& config, const std::vector<Module>& modules,
                   const std::string& queue, bool is_paused) {
    CommandSession session(config, modules);
    run_blocking(session.loops(), pause_in(session.context(), queue, is_paused));
    print(is_paused
              ? fmt::format("queue {} is paused: what runs goes on, nothing else is begun\n", queue)
              : fmt::format("queue {} goes on\n", queue));
}

void jobs_stats_command(const Config& config, const std::vector<Module>& modules, bool json) {
    CommandSession session(config, modules);
    const auto queues = run_blocking(session.loops(), stats_in(session.context()));
    if (json) {
        print(to_json(queues) + "\n");
        return;
    }
    print(fmt::format("{:<24} {:>10} {:>10} {:>10} {:>8} {:>8} {:>8}\n", "QUEUE", "READY", "OLDEST",
                      "SCHEDULED", "BLOCKED", "RUNNING", "DEAD"));
    for (const auto& queue : queues) {
        print(fmt::format("{:<24} {:>10} {:>10} {:>10} {:>8} {:>8} {:>8}{}\n", queue.name,
                          queue.ready, queue.ready > 0 ? seconds_text(queue.oldest_us) : "-",
                          queue.scheduled, queue.blocked, queue.running, queue.dead,
                          queue.is_paused ? "  paused" : ""));
    }
}

void why_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id) {
    CommandSession session(config, modules);
    print(fmt::format("job {}: {}\n", id,
                      run_blocking(session.loops(), why_in(session.context(), id))));
}

}  // namespace loadstone::server::internal
