#pragma once
// A connection to DuckDB through its C API, and the whole result of a statement of ours.

#include <duckdb.h>

#include <cstdint>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/base/function_ref.h"

namespace loadstone::analytics::duckdb {

struct Connection {
    explicit Connection(duckdb_database database);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { duckdb_disconnect(&handle); }

    // Without a result; how many rows it has changed. Errors: as error_of().
    std::int64_t run(const std::string& sql);
    // All of it or nothing.
    void in_transaction(FunctionRef<void()> work);

    duckdb_connection handle = nullptr;
};

struct Result {
    Result() = default;
    Result(const Result&) = delete;
    Result& operator=(const Result&) = delete;
    ~Result() { duckdb_destroy_result(&handle); }

    idx_t rows() { return duckdb_row_count(&handle); }
    std::string text(idx_t column, idx_t row);  // empty for a null
    std::int64_t number(idx_t column, idx_t row) {
        return duckdb_value_int64(&handle, column, row);
    }

    duckdb_result handle{};
};

// Errors: as error_of().
void query(Connection& on, const std::string& sql, Result& result);

// What DuckDB says, as one of ours: resource_exhausted for memory, cancelled for an interrupt,
// invalid_argument for a statement that is wrong, else internal.
Error error_of(duckdb_error_type type, const char* message);

}  // namespace loadstone::analytics::duckdb
