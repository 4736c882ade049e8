// campus jobs ...: what an operator sees of the queue, and does to it.

#include "loadstone/server/internal/jobs_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/overview.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/store/context_store.h"

namespace loadstone::server::internal {

namespace {

constexpr std::int64_t redrive_batch_max = 500;
constexpr std::chrono::minutes redrive_batch_within{1};

Task<std::vector<jobs::JobRow>> list_in(Context& context, JobsQuery query) {
    jobs::JobFilter filter;
    filter.state = std::move(query.state);
    filter.kind = std::move(query.kind);
    filter.queue = std::move(query.queue);
    filter.tenant = std::move(query.tenant);
    filter.partition = std::move(query.partition);
    filter.error = std::move(query.error);
    filter.before = query.before;
    filter.limit = query.limit;
    co_return co_await jobs::list_jobs(context.reader(), std::move(filter));
}

Task<std::optional<jobs::JobRow>> show_in(Context& context, std::int64_t id) {
    co_return co_await jobs::job_by_id(context.reader(), id);
}

Task<jobs::JobDetails> details_in(Context& context, jobs::JobRow job) {
    co_return co_await jobs::job_details(context.reader(), std::move(job));
}

Task<bool> retry_in(Context& context, std::int64_t id) {
    co_return co_await context.write(jobs::retry_job, id);
}

Task<std::string> not_retried_in(Context& context, std::int64_t id) {
    co_return co_await jobs::why_not_retried(context.reader(), id);
}

Task<jobs::Cancelled> cancel_in(Context& context, std::int64_t id) {
    co_return co_await context.write(jobs::cancel_job, id);
}

Task<jobs::CancelledWorkflow> cancel_workflow_in(Context& context, std::int64_t id) {
    co_return co_await context.write(jobs::cancel_workflow, id);
}

// All of it, in batches; with a rate no faster than that, so it may last longer than a command.
Task<jobs::Redriven> redrive_in(const runtime::Services& services, RedriveQuery query) {
    const jobs::DeadFilter filter{query.kind, query.queue, query.error};
    const std::int64_t limit =
        query.rate > 0 ? std::min(redrive_batch_max, query.rate) : redrive_batch_max;
    jobs::Redriven total;
    const auto began = Deadline::Clock::now();
    for (;;) {
        Context context(services, Deadline::in(redrive_batch_within));
        const jobs::Redriven redriven =
            co_await context.write(jobs::redrive, filter, total.last, limit);
        total.jobs += redriven.jobs;
        total.left += redriven.left;
        total.last = redriven.last;
        if (redriven.last == 0) co_return total;
        if (!query.json) print(fmt::format("{} dead jobs put back so far\n", total.jobs));
        if (query.rate > 0) {
            const Deadline next(began + std::chrono::seconds(total.jobs / query.rate));
            co_await runtime::sleep_until(next);
        }
    }
}

Task<bool> pause_in(Context& context, std::string queue, bool is_paused) {
    co_await context.write(jobs::pause_queue, queue, is_paused);
    co_return true;
}

Task<std::string> why_in(Context& context, std::int64_t id) {
    co_return co_await jobs::why(context.reader(), id);
}

struct WhyAnswer {
    std::int64_t id = 0;
    std::string why;
};
BOOST_DESCRIBE_STRUCT(WhyAnswer, (), (id, why))

struct JobNamed {
    std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(JobNamed, (), (id))

struct RedriveAnswer {
    std::int64_t jobs = 0, left = 0;
};
BOOST_DESCRIBE_STRUCT(RedriveAnswer, (), (jobs, left))

struct PauseAnswer {
    std::string queue;
    bool is_paused = false;
};
BOOST_DESCRIBE_STRUCT(PauseAnswer, (), (queue, is_paused))

// As `--state` names it: of those that wait, for what.
std::string_view state_text(const jobs::JobRow& row) {
    if (row.state != "waiting") return row.state;
    return row.attempt > 0 ? std::string_view("retrying") : std::string_view(row.place);
}

}  // namespace

std::string joined(std::string one, std::string_view other) {
    one.back() = ',';
    return one.append(other.substr(1));
}

std::string age_text(Timestamp time) {
    const auto age = Timestamp::now() - time;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
    const auto size = std::abs(seconds);
    const std::string text = size < 120     ? fmt::format("{}s", size)
                             : size < 7'200 ? fmt::format("{}m", size / 60)
                                            : fmt::format("{}h", size / 3'600);
    return seconds < 0 ? "in " + text : text + " ago";
}

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
    print(fmt::format("{:>10}  {:<36} {:<9} {:>7} {:>7}  {:<10} {:<10} {}\n", "ID", "KIND", "STATE",
                      "ATTEMPT", "CRASHES", "ENQUEUED", "RUN AT", "LAST ERROR"));
    for (const auto& row : rows) {
        print(fmt::format("{:>10}  {:<36} {:<9} {:>7} {:>7}  {:<10} {:<10} {}\n", row.id, row.kind,
                          state_text(row), row.attempt, row.crashes, age_text(row.enqueued_at),
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
    const auto details = run_blocking(session.loops(), details_in(session.context(), *row));
    if (json) {
        print(joined(to_json(*row), to_json(details)) + "\n");
        return;
    }
    const auto line = [](std::string_view name, std::string_view value) {
        print(fmt::format("{:<17}{}\n", name, value.empty() ? "-" : value));
    };
    line("id", fmt::to_string(row->id));
    line("kind", row->kind);
    line("queue", row->queue);
    line("state", row->state);
    line("now", details.why);
    if (details.progress)
        line("progress",
             fmt::format("{:.0f} %{}{}, {}", details.progress->fraction * 100,
                         details.progress->note.empty() ? "" : ": ", details.progress->note,
                         age_text(details.progress->reported_at)));
    line("failed attempts", fmt::to_string(row->attempt));
    line("crashes", fmt::to_string(row->crashes));
    line("enqueued at", to_rfc3339(row->enqueued_at));
    line(row->state == "dead" ? "buried at" : "run at", to_rfc3339(row->run_at));
    if (!details.waits_for.empty())
        line("waits for", fmt::format("{}", fmt::join(details.waits_for, ", ")));
    if (!details.tenant.empty()) line("tenant", details.tenant);
    if (!details.limits.empty()) line("limits", fmt::format("{}", fmt::join(details.limits, ", ")));
    if (!details.holds.empty()) line("holds", fmt::format("{}", fmt::join(details.holds, ", ")));
    if (!row->partition_key.empty()) line("partition", row->partition_key);
    if (!details.unique_key.empty()) line("unique key", details.unique_key);
    line("idempotency key", row->idempotency_key);
    line("cause", row->cause);
    line("arguments", row->arguments);
    line("last error", row->last_error);
}

void retry_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                       bool json) {
    CommandSession session(config, modules);
    if (!run_blocking(session.loops(), retry_in(session.context(), id))) {
        if (run_blocking(session.loops(), show_in(session.context(), id)))
            throw Error(
                Errc::conflict,
                fmt::format("job {} is not retried: {}", id,
                            run_blocking(session.loops(), not_retried_in(session.context(), id))));
        throw Error(Errc::not_found,
                    fmt::format("there is no job {}: it was never enqueued, or it is done", id));
    }
    print(json ? to_json(JobNamed{id}) + "\n" : fmt::format("job {} is due now\n", id));
}

void cancel_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                        bool json) {
    CommandSession session(config, modules);
    const auto cancelled = run_blocking(session.loops(), cancel_in(session.context(), id));
    if (json && (cancelled.was_dropped || cancelled.was_asked)) {
        print(joined(to_json(JobNamed{id}), to_json(cancelled)) + "\n");
    } else if (cancelled.was_dropped) {
        print(fmt::format("job {} is cancelled\n", id));
    } else if (cancelled.was_asked) {
        print(fmt::format("job {} runs: it is told to stop, and ends within seconds\n", id));
    } else {
        const std::string why = run_blocking(session.loops(), why_in(session.context(), id));
        throw Error(Errc::conflict, fmt::format("job {} is not cancelled: {}", id, why));
    }
}

void cancel_workflow_command(const Config& config, const std::vector<Module>& modules,
                             std::int64_t id, bool json) {
    CommandSession session(config, modules);
    const auto cancelled = run_blocking(session.loops(), cancel_workflow_in(session.context(), id));
    if (cancelled.dropped + cancelled.asked == 0)
        throw Error(Errc::not_found,
                    fmt::format("no job that has not ended is of a workflow with job {}", id));
    if (json) {
        print(joined(to_json(JobNamed{id}), to_json(cancelled)) + "\n");
        return;
    }
    print(fmt::format("{} jobs are cancelled, {} run and are told to stop\n", cancelled.dropped,
                      cancelled.asked));
}

void redrive_command(const Config& config, const std::vector<Module>& modules,
                     const RedriveQuery& query) {
    CommandSession session(config, modules);
    const jobs::Redriven total =
        run_blocking(session.loops(), redrive_in(session.services(), query));
    if (query.json) {
        print(to_json(RedriveAnswer{total.jobs, total.left}) + "\n");
        return;
    }
    if (total.jobs == 0 && total.left == 0) {
        print("no dead job is of that kind, queue and error: nothing is put back\n");
        return;
    }
    print(fmt::format("{} dead jobs are ready again\n", total.jobs));
    if (total.left > 0)
        print(fmt::format("{} stay dead: other jobs have taken their unique keys\n", total.left));
}

void pause_command(const Config& config, const std::vector<Module>& modules,
                   const std::string& queue, bool is_paused, bool json) {
    CommandSession session(config, modules);
    run_blocking(session.loops(), pause_in(session.context(), queue, is_paused));
    if (json) {
        print(to_json(PauseAnswer{queue, is_paused}) + "\n");
        return;
    }
    print(is_paused
              ? fmt::format("queue {} is paused: what runs goes on, nothing else is begun\n", queue)
              : fmt::format("queue {} goes on\n", queue));
}

void why_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                     bool json) {
    CommandSession session(config, modules);
    const WhyAnswer answer{id, run_blocking(session.loops(), why_in(session.context(), id))};
    print(json ? to_json(answer) + "\n" : fmt::format("job {}: {}\n", id, answer.why));
}

}  // namespace loadstone::server::internal
