#include "loadstone/analytics/duckdb/connection.h"

namespace loadstone::analytics::duckdb {

Error error_of(duckdb_error_type type, const char* message) {
    const std::string text = message == nullptr ? "no reason was given" : message;
    switch (type) {
        case DUCKDB_ERROR_OUT_OF_MEMORY: return {Errc::resource_exhausted, text};
        case DUCKDB_ERROR_INTERRUPT: return {Errc::cancelled, text};
        case DUCKDB_ERROR_PARSER:
        case DUCKDB_ERROR_BINDER:
        case DUCKDB_ERROR_CATALOG:
        case DUCKDB_ERROR_CONVERSION:
        case DUCKDB_ERROR_OUT_OF_RANGE:
        case DUCKDB_ERROR_INVALID_INPUT:
        case DUCKDB_ERROR_PERMISSION: return {Errc::invalid_argument, text};
        default: return {Errc::internal, text};
    }
}

Connection::Connection(duckdb_database database) {
    if (duckdb_connect(database, &handle) == DuckDBError)
        throw Error(Errc::unavailable, "no connection to DuckDB could be made");
}

std::int64_t Connection::run(const std::string& sql) {
    Result result;
    query(*this, sql, result);
    return static_cast<std::int64_t>(duckdb_rows_changed(&result.handle));
}

void Connection::in_transaction(FunctionRef<void()> work) {
    run("BEGIN TRANSACTION");
    try {
        work();
        run("COMMIT");
    } catch (...) {
        duckdb_query(handle, "ROLLBACK", nullptr);
        throw;
    }
}

std::string Result::text(idx_t column, idx_t row) {
    char* value = duckdb_value_varchar(&handle, column, row);
    std::string copy = value == nullptr ? "" : value;
    duckdb_free(value);
    return copy;
}

void query(Connection& on, const std::string& sql, Result& result) {
    if (duckdb_query(on.handle, sql.c_str(), &result.handle) == DuckDBError)
        throw error_of(duckdb_result_error_type(&result.handle),
                       duckdb_result_error(&result.handle));
}

}  // namespace loadstone::analytics::duckdb
