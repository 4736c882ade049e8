#pragma once
// The one database file of the process, through DuckDB's C API. Facts go in over one connection;
// each query has one of its own.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/duckdb/connection.h"
#include "loadstone/analytics/internal/protocol.h"
#include "loadstone/analytics/internal/wire.h"
#include "loadstone/base/function_ref.h"

namespace loadstone::analytics::duckdb {

struct DatabaseOptions {
    std::string file;
    std::string temporary;  // a folder: what a query holds beyond memory_mb
    int memory_mb = 512;
    int temporary_mb = 4'096;
    int threads = 1;
    std::int64_t rollup_recent_rows = 20'000;
};

class Rollups;

class Database {
public:
    explicit Database(const DatabaseOptions& options);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    std::unique_ptr<Connection> connect() { return std::make_unique<Connection>(handle_); }

    // Of an apply() that has committed, perhaps of the one before the last. From any thread.
    internal::StoreState state() const;

    // Since it was opened: a feed has seen that it is its database's (it declares what there is),
    // and its rollups have been made. From any thread.
    bool is_confirmed() const noexcept { return is_confirmed_; }
    bool has_declared() const noexcept { return has_declared_; }

    // One thread at a time, all below.

    // The body of an `apply` frame: its rows and the position behind them, in one transaction, and
    // what they change in rollups. Tables and columns that are missing are made in it. Errors:
    // conflict if it does not begin where the store is; then, as after any other, nothing of it is
    // in.
    void apply(std::string_view body);
    // The body of a `replace` frame: its rows instead of those of the range, in one transaction, if
    // the store is at its position; likewise in rollups. Errors: conflict if it is not.
    void replace(std::string_view body);
    // For a statement that is about to be run: Rollups::merge_named.
    void merge_named(std::string_view text);
    // The body of a `declare` frame: the rollups that there are from now on (Rollups::declare).
    void declare(std::string_view body);
    // The body of `hello`: as of when the position that it names is all there is. Kept in memory.
    void touch(std::string_view body);

private:
    struct Target;
    void open_state(std::int64_t rollup_recent_rows);
    void shape_table(const Schema& schema);
    void set_state(const internal::StoreState& next);
    void in_transaction(FunctionRef<void()> work);
    // `roll_up` is called with each fact of which rollups are kept, when its rows are in its batch.
    void append_rows(const std::vector<Schema>& schemas, internal::WireReader& rows,
                     FunctionRef<void(const std::string& fact)> roll_up);
    std::vector<Column> columns_of(const std::string& table);

    duckdb_database handle_ = nullptr;
    std::unique_ptr<Connection> writer_;
    std::unique_ptr<Rollups> rollups_;
    std::atomic<bool> is_confirmed_{false}, has_declared_{false};
    mutable std::mutex state_mutex_;
    internal::StoreState state_;
};

}  // namespace loadstone::analytics::duckdb
