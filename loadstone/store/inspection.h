#pragma once
// Inspection: what an operator asks the database itself, beside a running server: plans, locks,
// space, replicas. Blocking, on a connection of its own that cannot write; for the command line.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loadstone/store/database.h"

namespace loadstone::store {

struct PlanStep {
    int depth = 0;
    std::string step;  // "Index Scan using users_by_email on users"
    // Of one loop, as the planner thinks and as it was, times loops; SQLite tells neither.
    std::optional<double> estimated_rows;
    std::optional<double> rows;
    std::vector<std::string> details;  // conditions, buffers
};

// What SQLite counts of a run as a whole; it has no figures of each step.
struct ProgramRun {
    std::uint64_t steps = 0, sorts = 0, auto_index_rows = 0;  // of its virtual machine
};

struct ExplainedPlan {
    std::vector<PlanStep> steps;
    bool is_analyzed = false;
    // When it was analyzed: given back, read from tables and indexes (SQLite: stepped through
    // without an index), written to temporary files.
    std::uint64_t rows = 0, scanned = 0, temp_bytes = 0;
    std::optional<ProgramRun> program;  // SQLite, when it was analyzed
    // PostgreSQL: read below a node that adds up; what the planner thinks when it was not analyzed.
    std::uint64_t added_up = 0;
    // Tables that it reads whole below such a node, as EXPLAIN prints them. What it reads of them
    // the planner does not say if there is a filter.
    std::vector<std::string> added_up_tables;
};

// The steps alone, a line each, indented: what makes a plan the same or another.
std::string shape_of(const ExplainedPlan& plan);

struct LockWait {
    std::string waiter, waiter_statement;  // "pid 4711 (loadstone)"
    std::string holder, holder_state, holder_statement;
    std::string lock;  // "transactionid ShareLock", "relation users AccessExclusiveLock"
    double waited_s = 0, held_s = 0;
};

struct TableSpace {
    std::string table;
    std::uint64_t bytes = 0, rows = 0, dead_rows = 0;
    double scans_full = 0, scans_index = 0;
    std::string last_vacuum, last_analyze;  // "never", RFC 3339
};

struct IndexSpace {
    std::string index, table;
    std::uint64_t bytes = 0, scans = 0;
    bool is_unique = false;  // it holds a constraint, used or not
};

// Of SQLite's file.
struct FileSpace {
    std::string path;
    std::uint64_t page_bytes = 0, pages = 0, free_pages = 0, log_bytes = 0;
};

struct Space {
    std::optional<FileSpace> file;
    std::vector<TableSpace> tables;
    std::vector<IndexSpace> indexes;
};

struct ReplicaState {
    std::string name, address, state, sync_state;
    std::int64_t lag_bytes = 0;
    double lag_s = 0;
};

struct Replication {
    std::string role;                    // "primary", "standby", "single"
    double lag_s = 0;                    // of a standby: since the last transaction it has replayed
    std::vector<ReplicaState> replicas;  // of a primary
};

// A process that takes part in sharing the server's connections.
struct ConnectionHolder {
    std::string name;            // "pid 4711 (loadstone) at 10.0.0.7": of its session
    std::uint64_t declared = 0;  // that it may have open
};

struct ServerConnections {
    std::uint64_t max = 0, reserved = 0, open = 0;
    std::uint64_t of_loadstone = 0;  // of them, by name
    std::vector<ConnectionHolder> holders;
};

// What pg_stat_statements and pg_stat_kcache say of a statement, by its text.
struct ServerUse {
    std::string text;
    std::uint64_t calls = 0, rows = 0, temp_bytes = 0, read_bytes = 0, hit_bytes = 0;
    double total_ms = 0;
    // Of pg_stat_kcache, since its figures were reset: CPU, and what the disk was read for;
    // `read_bytes` may come from the kernel's cache.
    double cpu_ms = -1;  // -1: no pg_stat_kcache
    std::int64_t disk_bytes = -1;
};

struct ServerStatistics {
    bool has_statements = false, has_kcache = false;
    std::vector<ServerUse> statements;
    // What is missing and what it would tell; empty if nothing is.
    std::string advice;
};

class Inspection {
public:
    virtual ~Inspection() = default;

    virtual Dialect dialect() const noexcept = 0;
    // With no `values` the plan for any of them. `analyze` runs the statement, only if it reads,
    // and needs as many values as it has parameters, as text. Errors: invalid_argument, and what
    // the database says.
    virtual ExplainedPlan explain(const StatementText& statement,
                                  const std::vector<std::string>& values, bool analyze) = 0;
    virtual std::vector<LockWait> locks() = 0;
    virtual Space space() = 0;
    virtual Replication replication() = 0;
    // SQLite has none to share: all 0.
    virtual ServerConnections connections() = 0;
    virtual ServerStatistics server_statistics() = 0;
};

// The process that has SQLite's write lock just now.
struct LockHolder {
    std::int64_t process = 0;
    std::string program;  // its name; empty if that is not known
};

// Nothing if no other process has it, if that cannot be told, or if it is no SQLite file. Not while
// this process has the file open: the look would drop SQLite's locks.
std::optional<LockHolder> write_lock_holder(const DatabaseOptions& options);

// Errors: as open_database(); unavailable.
std::unique_ptr<Inspection> open_inspection(const DatabaseOptions& options);

}  // namespace loadstone::store
