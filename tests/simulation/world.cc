#include "tests/simulation/world.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <set>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/enqueue.h"
#include "loadstone/jobs/workflow.h"
#include "loadstone/store/context_store.h"
#include "tests/simulation/kinds.h"

namespace tests::simulation {

namespace jobs = loadstone::jobs;
namespace runtime = loadstone::runtime;
using loadstone::Context;
using loadstone::Deadline;
using loadstone::Tx;

namespace {

constexpr milliseconds sandbox_idle_max{500};

constexpr loadstone::store::Command insert_expected{
    .name = "sim.expected",
    .sqlite =
        "insert into sim_expected (job, kind, lane, parent) values (?1, ?2, ?3, ?4) "
        "on conflict do nothing",
    .postgres = "",
    .parameters = 4};

template <class T>
Task<std::int64_t> enqueue_one(Tx& tx, std::string lane, int behaviour, std::int64_t delay_ms) {
    T arguments;
    arguments.lane = lane;
    arguments.behaviour = behaviour;
    const jobs::EnqueueOptions options{.delay = milliseconds(delay_ms)};
    const auto id = co_await jobs::enqueue(tx, arguments, options);
    const std::string kind = jobs::internal::kind<T>();
    const std::int64_t none = 0;
    co_await tx.exec(insert_expected, id, kind, lane, none);
    co_return id;
}

// A batch of parts with a callback, as a workflow, so that the ids are known.
Task<std::int64_t> enqueue_batch(Tx& tx, int parts, int behaviour) {
    jobs::Workflow workflow;
    std::vector<jobs::Workflow::Step> steps;
    std::vector<std::string> behaviours;
    for (int i = 0; i < parts; ++i) {
        sim::Part part;
        part.behaviour = behaviour + 7 * i;
        behaviours.push_back(std::to_string(part.behaviour));
        steps.push_back(workflow.add(fmt::format("part {}", i), part));
    }
    sim::Callback callback;
    workflow.add("callback", callback, steps, jobs::IfFailed::run);
    const auto ids = co_await jobs::enqueue(tx, workflow);
    const std::string part_kind = "sim.Part", callback_kind = "sim.Callback";
    behaviours.emplace_back();
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::string& kind = ids[i] == ids.back() ? callback_kind : part_kind;
        co_await tx.exec(insert_expected, ids[i], kind, behaviours[i], ids.back());
    }
    co_return ids.back();
}

// Many at once, so that claims follow each other.
template <class T>
Task<std::int64_t> enqueue_some(Tx& tx, std::string lane, int behaviour, std::int64_t delay_ms) {
    const int count = 4 + behaviour % 17;
    std::int64_t id = 0;
    for (int i = 0; i < count; ++i)
        id = co_await enqueue_one<T>(tx, lane, behaviour + 7 * i, delay_ms);
    co_return id;
}

Task<std::int64_t> enqueue_after(Tx& tx, std::int64_t job, int behaviour) {
    sim::Follower follower;
    follower.behaviour = behaviour;
    jobs::EnqueueOptions options;
    options.after = {job};
    options.if_failed = jobs::IfFailed::run;
    const auto id = co_await jobs::enqueue(tx, follower, options);
    const std::string kind = "sim.Follower", none;
    co_await tx.exec(insert_expected, id, kind, none, job);
    co_return id;
}

constexpr loadstone::store::Command insert_cancelled{
    .name = "sim.cancelled",
    .sqlite = "insert into sim_cancelled (job) values (?1)",
    .postgres = "",
    .parameters = 1};

Task<void> cancel(Tx& tx, std::int64_t job) {
    const auto cancelled = co_await jobs::cancel_job(tx, job);
    if (cancelled.was_dropped || cancelled.was_asked) co_await tx.exec(insert_cancelled, job);
}

constexpr loadstone::store::Command insert_cancelled_batch{
    .name = "sim.cancelled_batch",
    .sqlite = "insert into sim_cancelled (job) select job from sim_expected where parent = ?1",
    .postgres = "",
    .parameters = 1};

Task<void> cancel_batch(Tx& tx, std::int64_t callback) {
    co_await jobs::cancel_workflow(tx, callback);
    co_await tx.exec(insert_cancelled_batch, callback);
}

// Not those in order, nor parts of a batch: what they concern has gone on without them.
Task<void> redrive_some(Tx& tx, std::int64_t which) {
    static constexpr std::array<const char*, 4> kinds{"sim.Plain", "sim.Limited", "sim.Unique",
                                                      "sim.Refresh"};
    jobs::DeadFilter filter;
    filter.kind = kinds.at(static_cast<std::size_t>(which) % kinds.size());
    co_await jobs::redrive(tx, filter, 0, 100);
}

// Never above what is declared, which the checks go by.
Task<void> change_limits(Tx& tx, std::int64_t which) {
    jobs::LimitChange change;
    change.name = which % 2 == 0 ? "limited" : "crowded";
    const int most = which % 2 == 0 ? sim::limited_at_once : sim::crowded_at_once;
    change.running_max = 1 + static_cast<int>(which / 2) % most;
    if (which % 5 == 0) {
        co_await jobs::unset_limit(tx, change.name);
    } else {
        co_await jobs::set_limit(tx, change);
    }
}

// What a client does: `operate` if there is one, else `enqueue` if there is one, else a batch, else
// it pauses a queue.
struct ClientAct {
    using Enqueue = Task<std::int64_t> (*)(Tx&, std::string, int, std::int64_t);
    Enqueue enqueue = nullptr;
    std::string lane;
    int behaviour = 0;
    std::int64_t delay_ms = 0;
    int batch = 0;  // parts
    bool is_paused = false;
    Task<void> (*operate)(Tx&, std::int64_t) = nullptr;
    std::int64_t job = 0;  // of that, or after which one is enqueued
};

Task<void> as_client(const runtime::Services& services, ClientAct act) {
    Context context(services, Deadline::in(milliseconds(3'000)));
    const std::string queue = "parts";
    try {
        if (act.operate != nullptr) {
            co_await context.write(act.operate, act.job);
        } else if (act.job != 0) {
            co_await context.write(enqueue_after, act.job, act.behaviour);
        } else if (act.enqueue != nullptr) {
            co_await context.write(act.enqueue, act.lane, act.behaviour, act.delay_ms);
        } else if (act.batch > 0) {
            co_await context.write(enqueue_batch, act.batch, act.behaviour);
        } else {
            co_await context.write(jobs::pause_queue, queue, act.is_paused);
        }
    } catch (const loadstone::Error&) {
        // What was committed is known to the database.
    }
}

}  // namespace

Process::Process(SimulatedServer& server, int process_number, std::uint64_t seed, int crashes_max,
                 std::optional<int> sandbox_of_process)
    : number(process_number),
      sandbox_of(sandbox_of_process),
      loops({.threads = 1, .blocked_after = milliseconds(60'000)}, registry()) {
    database = std::make_unique<SimulatedDatabase>(server, number);
    jobs::Declarations declared;
    loadstone::Handlers handlers("sim", declared);
    sim::declare(handlers);
    for (const auto& [policy, missed] : sim::schedules)
        handlers.recurring(policy, "* * * * *", "UTC", sim::Tick{policy, 0}, missed);
    queue = std::make_unique<jobs::Queue>(std::move(declared), *database, registry());
    services.add<loadstone::store::Database>(*database);
    services.add<jobs::Queue>(*queue);
    database->start(loops);
    clients = std::make_unique<runtime::TaskScope>("clients");
    jobs::RunnerOptions options;
    options.running_max = sandbox_of ? 1 : 8;
    options.is_sandbox = sandbox_of.has_value();
    options.need_sandbox = [this] { needs_sandbox = true; };
    options.heartbeat_every = milliseconds(200);
    options.dead_after = milliseconds(1'000);
    options.poll_every = milliseconds(200);
    options.crashes_max = crashes_max;
    options.lend_places_min = sim::lend_places_min;
    options.seed = seed * 31 + static_cast<std::uint64_t>(number) + 1;
    runner = std::make_unique<jobs::Runner>(options, *queue, jobs::JobBulkheads{}, loops, services,
                                            registry());
    runner->start();
}

Process::~Process() {
    loops.stop();  // what is suspended is destroyed where it stands
    runner.reset();
    clients.reset();
}

World::World(std::uint64_t seed) : seed_(seed), random_(seed), server_(seed) {
    time_.run_ready = [this] {
        bool any = false;
        for (const auto& process : processes_) {
            if (!process->is_paused) any = process->loops.run_ready() || any;
        }
        return any;
    };
    server_.on_commit = [this] { watch(); };
    server_.set_clock_offset(std::chrono::seconds(random_.below(60)));
    if (random_.below(4) == 0) crashes_max_ = 2;
    Faults& faults = server_.faults;
    if (random_.below(2) == 0) faults.refused = 0.1 * random_.uniform();
    if (random_.below(2) == 0) faults.answer_lost = 0.1 * random_.uniform();
    if (random_.below(2) == 0) faults.slow = 0.2 * random_.uniform();
    if (random_.below(2) == 0) faults.notice_lost = random_.uniform();
    faults.slow_max = milliseconds(random_.below(1'500));
}

World::~World() {
    server_.on_commit = nullptr;
    processes_.clear();
}

void World::tell(std::string what) {
    const auto at = std::chrono::duration_cast<milliseconds>(time_.now().time_since_epoch() -
                                                             std::chrono::hours(1'000));
    story_.push_back(fmt::format("{:>7} ms  {}", at.count(), what));
}

void World::fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
}

void World::start_process(std::optional<int> sandbox_of) {
    const int made = processes_made_++;
    tell(fmt::format("process {} starts{}", made,
                     sandbox_of ? fmt::format(", a sandbox of {}", *sandbox_of) : ""));
    processes_.push_back(std::make_unique<Process>(server_, made, seed_, crashes_max_, sandbox_of));
}

// Who has started a sandbox learns of its end.
void World::remove(std::size_t which) {
    const std::optional<int> of = processes_[which]->sandbox_of;
    processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(which));
    for (const auto& process : processes_) {
        if (process->number != of) continue;
        process->needs_sandbox = false;
        process->runner->look_for_suspects();
    }
}

bool World::is_idle_sandbox(const Process& process) const {
    return process.sandbox_of && !process.is_paused &&
           process.runner->sandbox_state().idle_for > sandbox_idle_max;
}

bool World::lacks_sandbox(const Process& process) const {
    return process.needs_sandbox && std::ranges::none_of(processes_, [&](const auto& other) {
               return other->sandbox_of == process.number;
           });
}

bool World::has_errand() const {
    return std::ranges::any_of(processes_, [this](const auto& process) {
        return is_idle_sandbox(*process) || lacks_sandbox(*process);
    });
}

void World::see_to_sandboxes() {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        if (is_idle_sandbox(*processes_[i])) return stop_process(i);
        if (lacks_sandbox(*processes_[i])) return start_process(processes_[i]->number);
    }
}

void World::kill_process() {
    if (processes_.empty()) return;
    const std::size_t which = random_.below(processes_.size());
    tell(fmt::format("process {} is killed", processes_[which]->number));
    remove(which);
}

void World::stop_process(std::size_t which) {
    Process& process = *processes_[which];
    process.is_paused = false;
    tell(fmt::format("process {} stops", process.number));
    const milliseconds patience(random_.below(500));
    process.runner->stop(Deadline::in(patience));
    remove(which);
}

Process& World::live_process() {
    if (processes_.empty()) start_process();
    return *processes_[random_.below(processes_.size())];
}

void World::pass(milliseconds duration) {
    const auto until = time_.now() + duration;
    // Something always wakes: a pass sets an alarm of its own in one of the processes.
    const auto is_over = [this, until] {
        return time_.now() >= until || !failure_.empty() || has_errand();
    };
    while (time_.now() < until && failure_.empty()) {
        if (!time_.run_until(is_over, until)) break;
        see_to_sandboxes();
    }
}

// One of those that a statement gives; 0: it gives none.
std::int64_t World::some_job(const char* sql) {
    const auto found = rows(sql);
    return found.empty() ? 0 : std::stoll(found[random_.below(found.size())].front());
}

void World::act_as_client() {
    Process& process = live_process();
    ClientAct act;
    act.behaviour = static_cast<int>(random_.below(10'000));
    act.lane = std::string(1, static_cast<char>('a' + random_.below(3)));
    act.delay_ms = random_.below(4) == 0 ? std::int64_t(random_.below(1'500)) : 0;
    switch (random_.below(23)) {
        case 0: act.enqueue = enqueue_one<sim::Plain>; break;
        case 1: act.enqueue = enqueue_one<sim::Urgent>; break;
        case 2:
        case 3: act.enqueue = enqueue_one<sim::Limited>; break;
        case 4: act.enqueue = enqueue_one<sim::Throttled>; break;
        case 5:
        case 6:
            act.enqueue = enqueue_one<sim::Ordered>;
            act.delay_ms = 0;  // in order are those that are ready
            break;
        case 7: act.enqueue = enqueue_one<sim::Unique>; break;
        case 8: act.enqueue = enqueue_one<sim::Fleeting>; break;
        case 9: act.batch = 1 + act.behaviour % 7; break;
        case 10: act.enqueue = enqueue_some<sim::Crowded>; break;
        case 11: act.enqueue = enqueue_some<sim::Brisk>; break;
        case 12: act.enqueue = enqueue_one<sim::Periodic>; break;
        case 13: act.enqueue = enqueue_one<sim::Refresh>; break;
        case 14: act.enqueue = enqueue_one<sim::Stepped>; break;
        case 15:
        case 16:
            act.job = some_job("select job from sim_expected order by job desc limit 12");
            if (act.job == 0) return;
            act.operate = cancel;
            tell(fmt::format("job {} is cancelled", act.job));
            break;
        case 17:
            act.job = some_job(
                "select job from sim_expected where kind = 'sim.Callback' "
                "order by job desc limit 3");
            if (act.job == 0) return;
            act.operate = cancel_batch;
            tell(fmt::format("the batch of {} is cancelled", act.job));
            break;
        case 18:
            act.job = static_cast<std::int64_t>(random_.below(4));
            act.operate = redrive_some;
            tell("dead letters are put back");
            break;
        case 19:
            act.job = static_cast<std::int64_t>(random_.below(100));
            act.operate = change_limits;
            break;
        case 20:
            act.job = some_job(
                "select job from sim_expected where kind = 'sim.Urgent' "
                "order by job desc limit 5");
            if (act.job == 0) return;
            break;
        case 21: let_schedules_lag(); return;
        default:
            act.is_paused = random_.below(2) == 0;
            tell(act.is_paused ? "queue parts is paused" : "queue parts goes on");
    }
    process.clients->spawn(process.loops.executor(0), as_client(process.services, std::move(act)));
}

void World::act_as_chaos() {
    switch (random_.below(12)) {
        case 0:
        case 1: kill_process(); break;
        case 2:
            if (!processes_.empty()) stop_process(random_.below(processes_.size()));
            break;
        case 3:
        case 4:
            if (processes_.size() < 4) start_process();
            break;
        case 5:
        case 6:
            if (!processes_.empty()) {
                Process& process = live_process();
                process.is_paused = !process.is_paused;
                tell(fmt::format("process {} {}", process.number,
                                 process.is_paused ? "is stopped by a signal" : "goes on"));
            }
            break;
        case 7:
            server_.is_down = !server_.is_down;
            tell(server_.is_down ? "the database is away" : "the database is back");
            break;
        case 8:
            server_.is_full = !server_.is_full;
            tell(server_.is_full ? "the disk is full" : "the disk has room");
            break;
        case 9: {
            Process& process = live_process();
            process.database->is_cut_off = !process.database->is_cut_off;
            tell(fmt::format("process {} {}", process.number,
                             process.database->is_cut_off ? "is cut off" : "is reached again"));
            break;
        }
        default:
            if (seed_ % 3 == 0) {
                clock_jumps_ = true;
                const auto jump = milliseconds(std::int64_t(random_.below(8'000)) - 4'000);
                tell(fmt::format("the database's clock stands {} ms off", jump.count()));
                server_.set_clock_offset(jump);
            }
    }
}

void World::act() {
    if (random_.below(4) == 0) {
        act_as_chaos();
    } else {
        act_as_client();
    }
}

void World::heal() {
    tell("all is well from here on");
    server_.faults = Faults{};
    server_.is_down = server_.is_full = false;
    for (const auto& process : processes_) {
        process->is_paused = false;
        process->database->is_cut_off = false;
    }
    start_process();
}

std::string World::play() {
    start_process();
    const std::uint64_t acts = 15 + random_.below(45);
    for (std::uint64_t i = 0; i < acts && failure_.empty(); ++i) {
        act();
        pass(milliseconds(random_.below(250)));
    }
    heal();
    const auto until = time_.now() + std::chrono::seconds(90);
    while (failure_.empty() && !is_quiet()) {
        if (time_.now() >= until) {
            fail("jobs are left that nobody runs: " + left());
            break;
        }
        // A client that was held up may pause it even now.
        rows("update loadstone_queues set is_paused = 0");
        pass(milliseconds(500));
    }
    if (failure_.empty()) check_end();
    if (failure_.empty()) end_processes();
    return failure_;
}

// As if no process had been there for some minutes.
void World::let_schedules_lag() {
    const auto minutes = static_cast<std::int64_t>(1 + random_.below(3));
    tell(fmt::format("the schedules lag by {} minutes", minutes));
    rows("update loadstone_schedules set fired_at = fired_at - 60000000 * ?1", minutes);
    for (auto& [name, fired_at] : fired_at_) fired_at -= minutes * 60'000'000;
}

// Whom a job follows that is gone already is looked up every few seconds. No schedule lags.
bool World::is_quiet() {
    const std::int64_t minute = server_.now_us() / 60'000'000 * 60'000'000;
    return rows("select name from loadstone_schedules where fired_at < ?1", minute).empty() &&
           number(
               "select (select count(*) from loadstone_ready) + (select count(*) from "
               "loadstone_scheduled) + (select count(*) from loadstone_batches) + (select "
               "count(*) from loadstone_blocked) + (select count(*) from loadstone_follows)") == 0;
}

// What is lent goes back with them.
void World::end_processes() {
    while (!processes_.empty()) stop_process(random_.below(processes_.size()));
    // Of those that were killed before.
    start_process();
    const auto until = time_.now() + std::chrono::seconds(90);  // a clock may have gone back
    const auto lent = [this] { return number("select count(*) from loadstone_limit_loans"); };
    while (lent() > 0 && time_.now() < until) pass(milliseconds(500));
    if (lent() > 0)
        fail(fmt::format("{} loans are left of processes that are gone", lent()) + left());
}

std::string World::left() {
    std::string all;
    for (const Row& row :
         rows("select 'ready', seq, kind, partition_key, extra from loadstone_ready union all "
              "select 'scheduled', id, kind, partition_key, extra from loadstone_scheduled union "
              "all "
              "select 'blocked', id, kind, waits_for, extra from loadstone_blocked union all "
              "select 'batch', id, process, jobs, '' from loadstone_batches union all "
              "select 'follow', job, next, '', '' from loadstone_follows union all "
              "select 'limit', name, version, running, arrival_at from loadstone_limit_states "
              "union all "
              "select 'loan', process, name, places, '' from loadstone_limit_loans union all "
              "select 'schedule', name, fired_at, '', '' from loadstone_schedules union all "
              "select 'process', id, name, heartbeat_at, '' from loadstone_processes"))
        all += "\n  " + fmt::format("{}", fmt::join(row, " "));
    return all;
}

sqlite3_stmt* World::prepared(const char* sql) {
    Statement& known = statements_[sql];
    sqlite3* const db = server_.handle().db();
    sqlite3_stmt* made = nullptr;
    if (!known && sqlite3_prepare_v2(db, sql, -1, &made, nullptr) != SQLITE_OK)
        fail(fmt::format("{}: {}", sql, sqlite3_errmsg(db)));
    if (!known) known.reset(made);
    return known.get();
}

std::vector<World::Row> World::rows(const char* sql, std::int64_t parameter) {
    sqlite3_stmt* const statement = prepared(sql);
    if (sqlite3_bind_parameter_count(statement) > 0) sqlite3_bind_int64(statement, 1, parameter);
    std::vector<Row> all;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        Row row;
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            const auto* text = sqlite3_column_text(statement, i);
            row.emplace_back(text == nullptr ? "" : reinterpret_cast<const char*>(text));
        }
        all.push_back(std::move(row));
    }
    sqlite3_reset(statement);
    return all;
}

std::int64_t World::number(const char* sql) {
    const auto all = rows(sql);
    return all.empty() ? -1 : std::stoll(all.front().front());
}

}  // namespace tests::simulation
