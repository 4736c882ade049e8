#pragma once
// A SELECT and its result, which streams.

#include <string_view>

#include "loadstone/analytics/duckdb/database.h"

namespace loadstone::analytics::duckdb {

struct Statement {
    Statement() = default;
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement() {
        duckdb_destroy_result(&result);
        duckdb_destroy_pending(&pending);
        duckdb_destroy_prepare(&prepared);
    }
    duckdb_prepared_statement prepared = nullptr;
    duckdb_pending_result pending = nullptr;
    duckdb_result result{};
};

struct Chunk {
    explicit Chunk(duckdb_data_chunk of) : handle(of) {}
    Chunk(const Chunk&) = delete;
    Chunk& operator=(const Chunk&) = delete;
    ~Chunk() { duckdb_destroy_data_chunk(&handle); }
    duckdb_data_chunk handle;
};

// `values` as in the body of a `query` frame, behind its bounds. Errors: invalid_argument for a
// statement that is no SELECT or is wrong; as error_of().
void run_statement(Connection& on, std::string_view text, internal::WireReader& values,
                   Statement& statement);

// Errors: invalid_argument for a type that is not one of columns.h.
ColumnType column_type(duckdb_type type, const char* name);

}  // namespace loadstone::analytics::duckdb
