// campus jobs why: what a job waits for, in a sentence.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

struct Place {
    std::string queue, partition_key;
    int priority = 0;
    std::int64_t seq = 0;
    std::string kind;
    int crashes = 0;
};
BOOST_DESCRIBE_STRUCT(Place, (), (queue, partition_key, priority, seq, kind, crashes))

// What stands before it and beside it (sql::ready_before).
struct Before {
    std::int64_t higher = 0, limited = 0, ahead = 0;
    std::int64_t partitions = 0, tenants = 0;
};
BOOST_DESCRIBE_STRUCT(Before, (), (higher, limited, ahead, partitions, tenants))

struct RunningOf {
    std::int64_t jobs = 0, of_queue = 0, of_module = 0;
};
BOOST_DESCRIBE_STRUCT(RunningOf, (), (jobs, of_queue, of_module))

struct RunsIn {
    std::string name;
    Timestamp claimed_at;
};
BOOST_DESCRIBE_STRUCT(RunsIn, (), (name, claimed_at))

// What a limit of its partition does not allow now; empty if all do.
Task<std::string> why_limited(Reader reader, const Place& place) {
    const Queue* queue = reader.context().services().find<Queue>();
    if (queue == nullptr) co_return std::string();
    const auto names = parse_partition(place.partition_key).limits;
    if (names.empty()) co_return std::string();
    const auto settings = co_await reader.many<internal::LimitSetting>(sql::limit_settings);
    const internal::LimitBook book = internal::with_settings(queue->limits(), settings);
    for (const std::string& name : names) {
        const auto limit = book.find(limit_name(name));
        const auto row = co_await reader.maybe<internal::BusyLimitRow>(sql::limit_state, name);
        if (limit == book.end() || !row) continue;
        const LimitState state{row->arrival_at, row->running};
        const Allowance allowed = allowance(limit->second, state, row->now, 1);
        if (allowed.count > 0) continue;
        if (allowed.retry_in_us > 0)
            co_return fmt::format("limit {} allows the next in {} ms", name,
                                  (allowed.retry_in_us + 999) / 1'000);
        co_return fmt::format(
            "limit {} has all of its {} places taken{}", name, row->running,
            row->lent == 0 ? "" : fmt::format(", of which {} are lent to processes", row->lent));
    }
    co_return std::string();
}

// Those of its priority that are claimed from in turn; empty: it stands in the only one.
std::string turns_of(const Before& before) {
    if (before.partitions < 2) return "";
    if (before.tenants == before.partitions)
        return fmt::format("{} tenants take turns", before.tenants);
    if (before.tenants < 2) return fmt::format("{} partitions take turns", before.partitions);
    return fmt::format("{} partitions of {} tenants take turns", before.partitions, before.tenants);
}

std::string told_before(const Place& place, const Before& before) {
    std::string text = fmt::format("{} ready jobs of queue {} go first",
                                   before.higher + before.ahead, place.queue);
    if (before.higher > 0)
        text += fmt::format(", {} of them of higher priority{}", before.higher,
                            before.limited > 0 ? " as far as limits let them" : "");
    if (before.ahead > 0 && !place.partition_key.empty())
        text += fmt::format(", {} of its partition, {}", before.ahead, place.partition_key);
    const std::string turns = turns_of(before);
    return turns.empty() ? text : text + "; of its priority " + turns;
}

struct ModuleOf {
    std::string name;
    std::set<std::string> queues;
    std::size_t places = 0;  // in each process; 0: not known here
};

ModuleOf module_of(const runtime::Services& services, const std::string& queue) {
    ModuleOf module;
    module.queues.insert(queue);
    const Queue* declared = services.find<Queue>();
    if (declared == nullptr) return module;
    module.name = declared->module_of(queue);
    for (const auto& kind : declared->kinds()) {
        if (kind->module == module.name) module.queues.insert(kind->queue);
    }
    const ModulePlaces* places = services.find<ModulePlaces>();
    if (places == nullptr) return module;
    const auto found = places->jobs_max.find(module.name);
    if (found != places->jobs_max.end()) module.places = found->second;
    return module;
}

// Those of its places that are kept for its queues of which nothing runs (internal/reserve.h).
std::string kept_of(const ModuleOf& module) {
    const std::size_t kept = std::min(module.queues.size() - 1, module.places / 4);
    if (kept == 0) return "";
    return fmt::format(", up to {} of them kept for queues of it of which nothing runs", kept);
}

// Nothing of its queue and partition would be claimed before it.
Task<std::string> why_next(Reader reader, const Place place, const Before before,
                           std::int64_t processes) {
    const std::string turns = turns_of(before);
    const std::string next =
        turns.empty() ? fmt::format("it is the next of queue {}", place.queue)
                      : fmt::format("it is the next of its partition in queue {}, where {}",
                                    place.queue, turns);
    const auto declared = co_await reader.maybe<std::string>(sql::kind_is_declared, place.kind);
    if (!declared)
        co_return fmt::format("{}, and waits for a program that knows its kind, {}", next,
                              place.kind);
    if (is_suspect(place.partition_key))
        co_return fmt::format(
            "it has taken down {} processes, and runs in a sandbox, which one of the {} processes "
            "that run jobs starts for it, when no other of queue {} does",
            place.crashes, processes, place.queue);
    const ModuleOf module = module_of(reader.context().services(), place.queue);
    const std::string queues = to_json(std::vector(module.queues.begin(), module.queues.end()));
    const auto running = co_await reader.one<RunningOf>(sql::running_of, queues, place.queue);
    const auto places = static_cast<std::int64_t>(module.places);
    const std::string kept = kept_of(module);
    if (places > 0 && running.of_module >= places * processes)
        co_return fmt::format(
            "{}, and the places of its module, {}, are taken: {} of its jobs run, and it has {} "
            "places in each server{}",
            next, module.name, running.of_module, places, kept);
    // Sandboxes are among the processes, but have a place for suspects alone.
    std::string text = fmt::format(
        "{}, and begins when a server has a place for it: {} jobs run in {} processes, {} of them "
        "of this queue",
        next, running.jobs, processes, running.of_queue);
    if (places > 0)
        text += fmt::format(", {} of its module, {}, which has {} places in each server{}",
                            running.of_module, module.name, places, kept);
    co_return text;
}

Task<std::string> why_ready(Reader reader, const Place place) {
    const auto paused = co_await reader.many<std::string>(sql::paused_queues);
    if (std::ranges::find(paused, place.queue) != paused.end())
        co_return fmt::format("its queue, {}, is paused", place.queue);
    const auto processes = co_await reader.one<std::int64_t>(sql::live_processes);
    if (processes == 0) co_return std::string("no process runs jobs now");
    const std::string limit = co_await why_limited(reader, place);
    if (!limit.empty()) co_return limit;
    auto before = co_await reader.one<Before>(sql::ready_before, place.queue, place.priority,
                                              place.seq, place.partition_key);
    // Suspects are claimed apart from all others.
    if (is_suspect(place.partition_key)) before = Before{.ahead = before.ahead};
    if (before.higher + before.ahead > 0) co_return told_before(place, before);
    co_return co_await why_next(reader, place, before, processes);
}

std::string failure_of(const JobRow& job) {
    return job.last_error.empty() ? "" : ": " + job.last_error;
}

}  // namespace

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
    const auto waits_for = co_await reader.maybe<std::int64_t>(sql::blocked_by, id);
    if (waits_for) co_return fmt::format("it waits for {} other jobs to end", *waits_for);
    const std::string ids = fmt::format("[{}]", id);
    const auto place = co_await reader.maybe<Place>(sql::ready_place, ids);
    if (!place)
        co_return fmt::format("it is scheduled for {}{}", to_rfc3339(job->run_at),
                              failure_of(*job));
    co_return co_await why_ready(reader, *place);
}

}  // namespace loadstone::jobs
