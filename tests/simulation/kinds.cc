#include "tests/simulation/kinds.h"

#include <fmt/format.h>

#include <map>

#include "loadstone/base/error.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/statement.h"

namespace sim {

using loadstone::Context;
using loadstone::Deadline;
using loadstone::Errc;
using loadstone::Error;
using loadstone::Job;
using loadstone::Task;
using loadstone::Tx;
namespace jobs = loadstone::jobs;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view effect_text = "insert into sim_effects (job) values ($1)";
constexpr loadstone::store::Command insert_effect{
    .name = "sim.effect",
    .sqlite = "insert into sim_effects (job) values (?1)",
    .postgres = effect_text,
    .parameters = 1};

constexpr loadstone::store::Command insert_step{
    .name = "sim.step",
    .sqlite = "insert into sim_steps (job, step) values (?1, ?2)",
    .postgres = "",
    .parameters = 2};
constexpr loadstone::store::Command insert_result{
    .name = "sim.result",
    .sqlite = "insert into sim_results (job, part, value) values (?1, ?2, ?3)",
    .postgres = "",
    .parameters = 3};

Task<void> make_effect(Tx& tx, jobs::Lease lease) {
    co_await jobs::complete(tx, lease);
    co_await tx.exec(insert_effect, lease.job);
}

Task<void> make_step(Tx& tx, jobs::Lease lease, int step) {
    co_await jobs::save_step(tx, lease, "step", step);
    co_await tx.exec(insert_step, lease.job, step);
}

using Results = std::map<std::string, int>;

Task<void> end_with_results(Tx& tx, jobs::Lease lease, Results results) {
    co_await make_effect(tx, lease);
    for (const auto& [part, value] : results)
        co_await tx.exec(insert_result, lease.job, part, value);
}

// Counted while it runs, or until its process is killed.
class Counted {
public:
    explicit Counted(Run run) : job_(run.lease.job), process_(run.lease.process) {
        runs_now().push_back(std::move(run));
    }
    ~Counted() {
        std::erase_if(runs_now(), [this](const Run& run) {
            return run.lease.job == job_ && run.lease.process == process_;
        });
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

private:
    std::int64_t job_, process_;
};

template <class T>
std::string crowd_of(const T&) {
    return "";
}
std::string crowd_of(const Crowded& crowded) { return crowded.lane; }

// What it does follows from its behaviour, so that a seed replays.
template <class T>
Task<void> handle(Context& context, Job<T> job) {
    const Counted counted({job.lease(), crowd_of(*job)});
    const int behaviour = job->behaviour;
    const Deadline worked = Deadline::in(milliseconds(1 + behaviour % 97));
    const Deadline until = worked.sooner(context.deadline());
    co_await loadstone::runtime::sleep_until(until);
    context.throw_if_done("working");
    if (behaviour % 11 == 3 && job.attempt() < 3) throw std::runtime_error("fails twice");
    if (behaviour % 13 == 5) throw Error(Errc::data_loss, "fails for good");
    // For a time: a job that is put off counts no attempt.
    const bool is_early = loadstone::runtime::Clock::now().time_since_epoch() <
                          std::chrono::hours(1'000) + std::chrono::seconds(8);
    if (behaviour % 17 == 7 && is_early)
        throw Error(Errc::unavailable, "what it needs is away").with_retry_after(milliseconds(150));
    job.progress(0.5, "half");
    co_await context.write(make_effect, job.lease());
    if (behaviour % 19 == 2) throw std::runtime_error("after its end");
}

Task<void> handle_brisk(Context& context, Job<Brisk> job) {
    const Counted counted({job.lease(), ""});
    co_await context.write(make_effect, job.lease());
}

Task<void> handle_part(Context& context, Job<Part> job) {
    job.give(job->behaviour);
    co_await handle<Part>(context, job);
}

Task<void> handle_callback(Context& context, Job<Callback> job) {
    Results results;
    for (int i = 0; i < parts_max; ++i) {
        const std::string part = fmt::format("part {}", i);
        const auto given = co_await jobs::result_of<int>(context.reader(), job.lease(), part);
        if (given) results[part] = *given;
    }
    co_await context.write(end_with_results, job.lease(), results);
}

Task<void> handle_stepped(Context& context, Job<Stepped> job) {
    const auto saved = co_await jobs::saved_step<int>(context.reader(), job.lease(), "step");
    for (int step = saved.value_or(0); step < steps; ++step) {
        co_await context.write(make_step, job.lease(), step + 1);
        if (job->behaviour % 4 == step && job.attempt() < 3)
            throw std::runtime_error("between two steps");
        const Deadline soon = Deadline::in(milliseconds(1 + job->behaviour % 29));
        co_await loadstone::runtime::sleep_until(soon);
        context.throw_if_done("stepping");
    }
    co_await context.write(make_effect, job.lease());
}

}  // namespace

std::vector<Run>& runs_now() {
    static std::vector<Run> all;
    return all;
}

void declare(loadstone::Handlers& handlers) {
    constexpr milliseconds soon(100), late(400);
    handlers.handle(handle<Plain>).backoff(soon, late);
    handlers.handle(handle<Urgent>).priority(5).backoff(soon, late);
    handlers.handle(handle<Limited>)
        .limit({.name = "limited", .running_max = limited_at_once}, &Limited::lane)
        .tenant(&Limited::lane)
        .backoff(soon, late);
    handlers.handle(handle<Throttled>)
        .limit({.name = "throttled", .per_second = throttled_per_second, .burst = throttled_burst},
               &Throttled::lane)
        .backoff(soon, late);
    handlers.handle(handle<Crowded>)
        .limit({.name = "crowded", .running_max = crowded_at_once}, &Crowded::lane)
        .backoff(soon, late);
    handlers.handle(handle_brisk)
        .limit({.name = "brisk", .per_second = brisk_per_second, .burst = brisk_burst},
               &Brisk::lane)
        .backoff(soon, late);
    handlers.handle(handle<Ordered>).in_order(&Ordered::lane).backoff(soon, late);
    handlers.handle(handle<Unique>).unique(&Unique::lane).backoff(soon, late);
    handlers.handle(handle<Fleeting>).expires_after(milliseconds(500)).backoff(soon, late);
    handlers.handle(handle_part).queue("parts").backoff(soon, late);
    handlers.handle(handle_callback).backoff(soon, late);
    handlers.handle(handle<Periodic>)
        .unique_for(periodic_every, &Periodic::lane)
        .backoff(soon, late);
    handlers.handle(handle<Refresh>)
        .unique(&Refresh::lane)
        .unique_while(jobs::UniqueWhile::waits)
        .backoff(soon, late);
    handlers.handle(handle_stepped).backoff(soon, late);
    handlers.handle(handle<Follower>).backoff(soon, late);
    handlers.handle(handle<Tick>).backoff(soon, late);
}

}  // namespace sim
