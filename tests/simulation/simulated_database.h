#pragma once
// A database that several simulated processes share: SQLite in memory, with a clock, delays and
// faults of the simulation.

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loadstone/base/random.h"
#include "loadstone/runtime/clock.h"
#include "loadstone/store/database.h"
#include "loadstone/store/sqlite/handle.h"

namespace tests::simulation {

using loadstone::Random;
using loadstone::Task;
using std::chrono::milliseconds;

// How often what goes wrong, each from 0 to 1.
struct Faults {
    double refused = 0;      // a transaction or read: the database cannot be reached
    double answer_lost = 0;  // it is committed, and the caller is told otherwise
    double slow = 0;         // it takes up to slow_max
    double notice_lost = 0;  // a wake-up of another process
    milliseconds slow_max{0};
};

// Counters and labels are of no interest here: one registry for all.
loadstone::telemetry::Registry& registry();

class SimulatedServer {
public:
    explicit SimulatedServer(std::uint64_t seed);
    ~SimulatedServer();

    loadstone::store::sqlite::Handle& handle() { return *handle_; }
    Random& random() { return random_; }
    // Where the database's clock stands against virtual time; leases rest on it.
    void set_clock_offset(std::chrono::milliseconds offset);
    std::int64_t now_us() const;
    // After each commit, before anybody is told.
    std::function<void()> on_commit;

    Faults faults;
    bool is_down = false;
    bool is_full = false;  // the disk: nothing is written

    std::vector<std::function<void(int)>> listeners;  // each with the process that notifies

private:
    struct Clock;
    std::unique_ptr<Clock> clock_;
    loadstone::store::sqlite::FileOptions file_;
    std::unique_ptr<loadstone::store::sqlite::Handle> handle_;
    Random random_;
};

// What one process sees of it. The server outlives it.
class SimulatedDatabase final : public loadstone::store::Database,
                                private loadstone::store::Connection {
public:
    SimulatedDatabase(SimulatedServer& server, int process);
    ~SimulatedDatabase() override;

    loadstone::store::Dialect dialect() const noexcept override {
        return loadstone::store::Dialect::sqlite;
    }
    loadstone::store::Connection& read_connection() override { return *this; }
    Task<void> transact(loadstone::Context& context, loadstone::store::TxBody body) override;
    void start(loadstone::runtime::Loops& loops) override;
    void stop() override {}
    Task<void> check(loadstone::Context& context) override;
    Task<loadstone::Timestamp> now(loadstone::Context& context) override;
    void listen(std::string_view channel, std::function<void()> woken) override;
    void notify(std::string_view channel) override;

    // Its part of the network is gone: what it sends arrives nowhere.
    bool is_cut_off = false;

private:
    Task<loadstone::store::RunResult> run(loadstone::Context& context,
                                          loadstone::store::StatementRef statement,
                                          std::span<const loadstone::store::Value> values,
                                          loadstone::store::RowSink sink) override;
    Task<void> travel(loadstone::Context& context);

    SimulatedServer& server_;
    int process_;
    loadstone::runtime::Loops* loops_ = nullptr;
    std::shared_ptr<std::function<void()>> woken_;
};

}  // namespace tests::simulation
