#pragma once
// Handle: one SQLite connection with its prepared statements. Used by one thread at a time; it may
// pass from thread to thread.

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/fiber.h"
#include "loadstone/store/connection.h"
#include "loadstone/store/internal/verified_types.h"
#include "loadstone/store/statement_budgets.h"
#include "loadstone/store/statement_statistics.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::sqlite {

enum class Access { read_write, read_only };

// What all connections to one file have in common.
struct FileOptions {
    std::string path;
    const char* vfs = nullptr;
    telemetry::Registry* registry = nullptr;
    StatementStatistics* statistics = nullptr;  // needed to run(), as the registry is
    // How often a running statement looks at its budget and deadline, in VM steps.
    int check_steps = 1'000;
};

struct Prepared {
    sqlite3_stmt* statement = nullptr;
    const void* identity = nullptr;
    telemetry::LabelIndex label = 0;
    internal::VerifiedTypes verified;
    int reprepared = 0;  // by SQLite, after the schema changed
};

// The bounds of one run.
struct RunLimits {
    static constexpr std::int64_t unlimited = std::numeric_limits<std::int64_t>::max();

    std::int64_t steps_max = unlimited;
    std::uint64_t rows_skipped = 0;          // already delivered by a run in the same snapshot
    std::chrono::milliseconds busy_wait{0};  // for locks of other processes, within the deadline
    bool busy_is_an_error = true;            // false: Ended::busy, for who can wait elsewhere
    std::uint64_t pool_ns = 0, lock_ns = 0;  // waited before it, for the statistics
    // On which it runs, and stops each `piece_steps`; null: it does not stop.
    runtime::Fiber* fiber = nullptr;
    int piece_steps = 0;
};

class Handle {
public:
    static constexpr std::size_t statements_max = 512;

    // Opens; read_write creates the file if missing. Errors: unavailable, data_loss.
    Handle(const FileOptions& file, Access access);
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    enum class Ended { finished, over_budget, busy };
    struct Outcome {
        Ended ended = Ended::finished;
        RunResult result;  // over_budget: `rows` tells how many were delivered
    };
    // Runs a statement within the context's deadline and accounts it. over_budget only with
    // `steps_max`; busy only without `busy_is_an_error`.
    Outcome run(Context& context, const StatementRef& statement, std::span<const Value> values,
                RowSink sink, const RunLimits& limits);

    // Own statements, not the application's: "begin", "pragma ...". `text` must be a literal; it
    // is the key of its prepared statement. Returns the extended result code: OK or an error.
    int control(const char* text, std::chrono::milliseconds busy_wait = {});
    // The same, with errors thrown.
    void require(const char* text, std::chrono::milliseconds busy_wait = {});
    // The first column of the first row; nothing if there is none or it failed.
    std::optional<std::int64_t> integer(const char* text);
    std::optional<std::string> text(const char* text);

    // Of a run that has stopped: it fails with cancelled when it is resumed.
    void abandon() noexcept { running_.is_abandoned = true; }

    bool in_transaction() const noexcept { return sqlite3_get_autocommit(db_) == 0; }
    sqlite3* db() const noexcept { return db_; }
    const FileOptions& file() const noexcept { return *file_; }
    // Of the last run that failed; 0 if none has.
    int last_failure() const noexcept { return last_failure_; }
    void forget_failure() noexcept { last_failure_ = 0; }
    std::size_t statements() const noexcept { return cache_.size(); }

private:
    // Reading the thread's CPU clock costs as much as a short statement does: only a long one does
    // it, and it is at its beginning then.
    static constexpr int cpu_look = 20;

    enum class Stopped { no, budget, time_budget, deadline, cancelled };
    struct Running {
        Context* context = nullptr;
        runtime::Fiber* fiber = nullptr;
        int look_steps = 0;  // from look to look
        std::int64_t steps_left = RunLimits::unlimited;
        Stopped stopped = Stopped::no;
        std::uint64_t looked_tsc = 0;   // at its first look, after `check_steps`; 0: not yet
        std::uint64_t time_max_ns = 0;  // from then on
        std::uint64_t stopped_tsc = 0;  // while others went on
        bool is_abandoned = false;
        int looks = 0;
        std::uint64_t cpu_begun_ns = 0;  // of the thread, at look `cpu_look`; 0: not yet
        std::chrono::steady_clock::time_point busy_until{};
    };
    struct RunScope;

    void look_each(int steps);
    static int on_progress(void* self);
    static void let_others_go_on(Running& running) noexcept;
    static bool is_over_time(Running& running) noexcept;
    static int on_busy(void* self, int attempts);
    static int on_prepare(void* self, int action, const char*, const char*, const char*,
                          const char*);
    Prepared& prepare(const StatementRef& statement);
    void note_plan(const StatementRef& statement);
    sqlite3_stmt* compile(std::string_view sql, std::string_view name);
    sqlite3_stmt* own(const char* text);
    template <class Read>
    auto first(const char* text, Read read) -> std::optional<decltype(read(nullptr))>;
    void bind(sqlite3_stmt* statement, std::span<const Value> values);
    [[noreturn]] void fail(int code, const Context& context, std::string_view name);

    const FileOptions* file_;
    sqlite3* db_ = nullptr;
    Running running_;
    int last_failure_ = 0;
    bool preparing_application_ = false;
    std::list<Prepared> cache_;  // least recently used last
    std::unordered_map<const void*, std::list<Prepared>::iterator> by_identity_;
    std::unordered_map<const char*, sqlite3_stmt*> own_;
};

}  // namespace loadstone::store::sqlite
