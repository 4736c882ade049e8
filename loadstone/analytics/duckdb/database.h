#pragma once
// The one database file of the process, through DuckDB's C API. Facts go in over one connection;
// each query has one of its own.

#include <duckdb.h>

#include <memory>
#include <string>
#include <vector>

#include "loadstone/analytics/columns.h"
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
};

struct Connection {
    explicit Connection(duckdb_database database);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { duckdb_disconnect(&handle); }
    // Without a result. Errors: as error_of().
    void run(const std::string& sql);

    duckdb_connection handle = nullptr;
};

// What DuckDB says, as one of ours: resource_exhausted for memory, cancelled for an interrupt,
// invalid_argument for a statement that is wrong, else internal.
Error error_of(duckdb_error_type type, const char* message);

class Database {
public:
    explicit Database(const DatabaseOptions& options);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    std::unique_ptr<Connection> connect() { return std::make_unique<Connection>(handle_); }

    // Of the last apply() that has committed. One thread at a time, as apply().
    const internal::StoreState& state() const noexcept { return state_; }

    // The body of an `apply` frame: its rows and the position behind them, in one transaction.
    // Tables and columns that are missing are made in it. Errors: conflict if it does not begin
    // where the store is; then, as after any other, nothing of it is in.
    void apply(std::string_view body);
    // The body of a `replace` frame: its rows instead of those of the range, in one transaction, if
    // the store is at its position. Errors: conflict if it is not.
    void replace(std::string_view body);
    // The body of `hello`: as of when the position that it names is all there is. Kept in memory.
    void touch(std::string_view body);

private:
    struct Target;
    void open_state();
    void shape_table(const Schema& schema);
    void in_transaction(FunctionRef<void()> work);
    void append_rows(const std::vector<Schema>& schemas, internal::WireReader& rows);
    std::vector<Column> columns_of(const std::string& table);

    duckdb_database handle_ = nullptr;
    std::unique_ptr<Connection> writer_;
    internal::StoreState state_;
};

}  // namespace loadstone::analytics::duckdb
