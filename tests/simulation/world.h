#pragma once
// A world of simulated processes that share a database, in virtual time. All that happens follows
// from the seed.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loadstone/jobs/runner.h"
#include "loadstone/runtime/internal/virtual_time.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/services.h"
#include "loadstone/runtime/task_scope.h"
#include "tests/simulation/simulated_database.h"

namespace tests::simulation {

// A process with a queue and a runner. Killed: nothing of it ever runs again.
struct Process {
    // `sandbox_of`: the process that has started it as its sandbox; or nobody.
    Process(SimulatedServer& server, int number, std::uint64_t seed, int crashes_max,
            std::optional<int> sandbox_of);
    ~Process();

    int number;
    std::optional<int> sandbox_of;
    bool is_paused = false;
    bool needs_sandbox = false;
    loadstone::runtime::Loops loops;
    loadstone::runtime::Services services;
    std::unique_ptr<SimulatedDatabase> database;
    std::unique_ptr<loadstone::jobs::Queue> queue;
    std::unique_ptr<loadstone::runtime::TaskScope> clients;
    std::unique_ptr<loadstone::jobs::Runner> runner;
};

struct Claim {
    std::int64_t job = 0, at_us = 0;
    std::string kind, partition_key;

    friend bool operator==(const Claim&, const Claim&) = default;
};

class World {
public:
    explicit World(std::uint64_t seed);
    ~World();

    // Plays the whole story. Gives what is wrong, or an empty text.
    std::string play();
    // For the report of a failure.
    const std::vector<std::string>& story() const { return story_; }
    // How often suspects were seen to run.
    int suspects_seen() const { return suspects_seen_; }
    // How many jobs schedules have enqueued.
    int ticks_seen() const { return ticks_seen_; }
    // What of all jobs was claimed, in order.
    std::vector<Claim>& claims() { return claims_; }
    // As play() does at the end, of what stands in the database: gives what is wrong, or an empty
    // text.
    std::string check();
    sqlite3* db() { return server_.handle().db(); }

private:
    using Row = std::vector<std::string>;
    void tell(std::string what);
    Process& live_process();
    void start_process(std::optional<int> sandbox_of = std::nullopt);
    void kill_process();
    void stop_process(std::size_t which);
    void remove(std::size_t which);
    bool is_idle_sandbox(const Process& process) const;
    bool lacks_sandbox(const Process& process) const;
    bool has_errand() const;
    // Starts a sandbox that is needed, or stops one that is not.
    void see_to_sandboxes();
    void pass(milliseconds time);
    void act();
    void act_as_client();
    void act_as_chaos();
    void heal();
    bool is_quiet();
    void end_processes();
    std::string left();
    void watch();
    void fail(std::string what);
    void check_end();
    void check_jobs();
    void check_order();
    void check_running();
    void check_throttle(const std::string& kind, int burst, double per_second);
    void check_batches();
    void check_steps();
    void check_keys();
    void check_firings();
    void let_schedules_lag();
    std::int64_t some_job(const char* sql);
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
    };
    using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;
    sqlite3_stmt* prepared(const char* sql);
    std::vector<Row> rows(const char* sql, std::int64_t parameter = 0);
    std::int64_t number(const char* sql);

    loadstone::runtime::internal::VirtualTime time_;
    std::uint64_t seed_;
    Random random_;
    SimulatedServer server_;
    std::map<std::string, Statement> statements_;  // of the checks, which ask after each commit
    std::deque<std::unique_ptr<Process>> processes_;
    int processes_made_ = 0;
    int crashes_max_ = 1'000;
    bool clock_jumps_ = false;
    int commits_ = 0;
    std::int64_t last_batch_ = 0;
    std::vector<Claim> claims_;
    int suspects_seen_ = 0;
    std::set<std::int64_t> ran_others_;  // processes, by lease, that no sandbox is
    // Keys that are taken for a time: whose each was when it was last looked, and until when.
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> keys_;
    std::map<std::string, std::int64_t> fired_at_;  // of each schedule, when it was last looked
    std::int64_t last_enqueued_ = 0;
    int ticks_seen_ = 0;
    std::vector<std::string> story_;
    std::string failure_;
};

}  // namespace tests::simulation
