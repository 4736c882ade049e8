#include "tests/simulation/simulated_database.h"

#include <algorithm>
#include <exception>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/sqlite/write_op.h"

namespace tests::simulation {

namespace store = loadstone::store;
namespace runtime = loadstone::runtime;
using loadstone::Deadline;
using loadstone::Errc;
using loadstone::Error;

namespace {

// 2026-01-01, in milliseconds of the Julian day, as SQLite counts.
constexpr sqlite3_int64 epoch_julian_ms = 210'866'760'000'000 + 1'767'225'600'000;
constexpr auto virtual_start = std::chrono::hours(1'000);

constexpr const char* tables =
    "create table sim_expected (job integer primary key, kind text not null, lane text not null, "
    "parent integer not null default 0);"
    "create table sim_effects (id integer primary key autoincrement, job integer not null unique);"
    "create table sim_steps (job integer not null, step integer not null);"
    "create table sim_results (job integer not null, part text not null, value integer not null);"
    "create table sim_cancelled (job integer not null);"
    "create table sim_callbacks (id integer primary key autoincrement, batch integer not null);";

// The schema is built once; each seed begins with a copy.
sqlite3* schema() {
    static sqlite3* const made = [] {
        sqlite3* db = nullptr;
        LOADSTONE_ASSERT(sqlite3_open(":memory:", &db) == SQLITE_OK, "SQLite opens in memory");
        for (const auto& step : loadstone::jobs::sql::migrations) {
            const std::string text(step.sqlite);
            LOADSTONE_ASSERT(sqlite3_exec(db, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK,
                             "the migrations of jobs are SQL");
        }
        LOADSTONE_ASSERT(sqlite3_exec(db, tables, nullptr, nullptr, nullptr) == SQLITE_OK,
                         "the tables of the simulation are SQL");
        return db;
    }();
    return made;
}

}  // namespace

loadstone::telemetry::Registry& registry() {
    static loadstone::telemetry::Registry all;
    return all;
}

namespace {

store::StatementStatistics& statistics() {
    static store::StatementStatistics all({}, registry());
    return all;
}

}  // namespace

// A VFS that is the default one but for the time.
struct SimulatedServer::Clock {
    sqlite3_vfs vfs{};
    std::string name;
    std::chrono::milliseconds offset{0};

    static int time(sqlite3_vfs* self, sqlite3_int64* now) {
        *now = static_cast<Clock*>(self->pAppData)->julian_ms();
        return SQLITE_OK;
    }
    sqlite3_int64 julian_ms() const {
        const auto since = runtime::Clock::now().time_since_epoch() - virtual_start + offset;
        return epoch_julian_ms + std::chrono::duration_cast<milliseconds>(since).count();
    }
    explicit Clock(std::uint64_t seed) : name("simulation-" + std::to_string(seed)) {
        vfs = *sqlite3_vfs_find(nullptr);
        vfs.zName = name.c_str();
        vfs.pNext = nullptr;
        vfs.pAppData = this;
        vfs.xCurrentTimeInt64 = time;
        sqlite3_vfs_register(&vfs, 0);
    }
    ~Clock() { sqlite3_vfs_unregister(&vfs); }
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
};

SimulatedServer::SimulatedServer(std::uint64_t seed)
    : clock_(std::make_unique<Clock>(seed)), random_(seed * 7 + 1) {
    file_.path = ":memory:";
    file_.registry = &registry();
    file_.statistics = &statistics();
    file_.vfs = clock_->name.c_str();
    handle_ = std::make_unique<store::sqlite::Handle>(file_, store::sqlite::Access::read_write);
    sqlite3_backup* copy = sqlite3_backup_init(handle_->db(), "main", schema(), "main");
    LOADSTONE_ASSERT(sqlite3_backup_step(copy, -1) == SQLITE_DONE, "the schema is copied");
    sqlite3_backup_finish(copy);
}

SimulatedServer::~SimulatedServer() = default;

void SimulatedServer::set_clock_offset(std::chrono::milliseconds offset) {
    clock_->offset = offset;
}

std::int64_t SimulatedServer::now_us() const {
    return (clock_->julian_ms() - 210'866'760'000'000) * 1'000;
}

SimulatedDatabase::SimulatedDatabase(SimulatedServer& server, int process)
    : server_(server), process_(process) {}

SimulatedDatabase::~SimulatedDatabase() = default;

void SimulatedDatabase::start(runtime::Loops& loops) { loops_ = &loops; }

// To the server or back.
Task<void> SimulatedDatabase::travel(loadstone::Context& context) {
    Random& random = server_.random();
    auto takes = std::chrono::microseconds(100 + random.below(900));
    if (random.uniform() < server_.faults.slow)
        takes += std::chrono::microseconds(random.below(
            static_cast<std::uint64_t>(std::chrono::microseconds(server_.faults.slow_max).count()) +
            1));
    const Deadline arrival = Deadline::in(takes);
    const Deadline until = arrival.sooner(context.deadline());
    co_await runtime::sleep_until(until);
    context.throw_if_done("waiting for the database");
    if (is_cut_off || server_.is_down || random.uniform() < server_.faults.refused) {
        const Deadline noticed = Deadline::in(milliseconds(random.below(200)));
        const Deadline end = noticed.sooner(context.deadline());
        co_await runtime::sleep_until(end);
        throw Error(Errc::unavailable, "the database cannot be reached");
    }
}

Task<void> SimulatedDatabase::transact(loadstone::Context& context, store::TxBody body) {
    co_await travel(context);
    store::sqlite::Handle& handle = server_.handle();
    handle.require("begin immediate");
    std::exception_ptr error;
    store::sqlite::LaneTx tx(context);
    tx.open(handle, 0);
    try {
        if (server_.is_full) throw Error(Errc::unavailable, "the disk is full");
        co_await body(tx);
    } catch (...) {
        error = std::current_exception();
    }
    tx.close();
    if (error) {
        if (handle.in_transaction()) handle.control("rollback");
        std::rethrow_exception(error);
    }
    handle.require("commit");
    if (server_.on_commit) server_.on_commit();
    Random& random = server_.random();
    const bool is_lost = random.uniform() < server_.faults.answer_lost;
    const Deadline back = Deadline::in(std::chrono::microseconds(100 + random.below(900)));
    co_await runtime::sleep_until(back);
    if (is_lost || is_cut_off)
        throw Error(Errc::unavailable, "commit outcome unknown: the answer was lost");
    for (const auto& action : tx.take_actions()) action();
}

Task<store::RunResult> SimulatedDatabase::run(loadstone::Context& context,
                                              store::StatementRef statement,
                                              std::span<const store::Value> values,
                                              store::RowSink sink) {
    co_await travel(context);
    const store::sqlite::RunLimits limits;
    co_return server_.handle().run(context, statement, values, sink, limits).result;
}

Task<void> SimulatedDatabase::check(loadstone::Context& context) { co_await travel(context); }

Task<loadstone::Timestamp> SimulatedDatabase::now(loadstone::Context& context) {
    co_await travel(context);
    co_return loadstone::Timestamp{server_.now_us()};
}

void SimulatedDatabase::listen(std::string_view, std::function<void()> woken) {
    woken_ = std::make_shared<std::function<void()>>(std::move(woken));
    server_.listeners.push_back(
        [this_process = process_, weak = std::weak_ptr(woken_)](int notifier) {
            const auto wake = weak.lock();
            if (wake && this_process != notifier) (*wake)();
        });
}

void SimulatedDatabase::notify(std::string_view) {
    if (is_cut_off) return;
    for (const auto& listener : server_.listeners) {
        if (server_.random().uniform() >= server_.faults.notice_lost) listener(process_);
    }
}

}  // namespace tests::simulation
