#include "tests/simulation/kinds.h"

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

Task<void> make_effect(Tx& tx, jobs::Lease lease) {
    co_await jobs::complete(tx, lease);
    co_await tx.exec(insert_effect, lease.job);
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
    handlers.handle(handle<Part>).queue("parts").backoff(soon, late);
    handlers.handle(handle<Callback>).backoff(soon, late);
    handlers.handle(handle<Tick>).backoff(soon, late);
}

}  // namespace sim
