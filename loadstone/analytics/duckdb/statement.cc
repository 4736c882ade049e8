#include "loadstone/analytics/duckdb/statement.h"

#include <fmt/core.h>

namespace loadstone::analytics::duckdb {

using internal::WireReader;

namespace {

void bind(duckdb_prepared_statement to, idx_t at, WireReader& from) {
    duckdb_state state = DuckDBError;
    switch (from.byte()) {
        case 'n': state = duckdb_bind_null(to, at); break;
        case 'b': state = duckdb_bind_boolean(to, at, from.byte() != 0); break;
        case 'i': state = duckdb_bind_int64(to, at, from.integer()); break;
        case 'r': state = duckdb_bind_double(to, at, from.real()); break;
        case 'm': state = duckdb_bind_timestamp(to, at, {from.integer()}); break;
        case 't': {
            const std::string_view text = from.text();
            state = duckdb_bind_varchar_length(to, at, text.data(), text.size());
            break;
        }
        default: throw Error(Errc::data_loss, "a value of an unknown type");
    }
    if (state == DuckDBError)
        throw Error(Errc::invalid_argument, fmt::format("the statement has no parameter ${}", at));
}

void prepare(Connection& on, Statement& statement, std::string_view text) {
    const std::string copy(text);
    if (duckdb_prepare(on.handle, copy.c_str(), &statement.prepared) == DuckDBError) {
        const char* said = duckdb_prepare_error(statement.prepared);
        throw Error(Errc::invalid_argument, said == nullptr ? "the statement is wrong" : said);
    }
    if (duckdb_prepared_statement_type(statement.prepared) != DUCKDB_STATEMENT_TYPE_SELECT)
        throw Error(Errc::invalid_argument, "only a SELECT can be run here");
}

}  // namespace

void run_statement(Connection& on, std::string_view text, WireReader& values,
                   Statement& statement) {
    prepare(on, statement, text);
    const std::int64_t count = values.integer();
    if (static_cast<std::int64_t>(duckdb_nparams(statement.prepared)) != count)
        throw Error(Errc::invalid_argument,
                    fmt::format("the statement has {} parameters, {} values were given",
                                duckdb_nparams(statement.prepared), count));
    for (std::int64_t i = 1; i <= count; ++i)
        bind(statement.prepared, static_cast<idx_t>(i), values);
    if (duckdb_pending_prepared_streaming(statement.prepared, &statement.pending) == DuckDBError)
        throw Error(Errc::invalid_argument, duckdb_pending_error(statement.pending));
    if (duckdb_execute_pending(statement.pending, &statement.result) == DuckDBError)
        throw error_of(duckdb_result_error_type(&statement.result),
                       duckdb_result_error(&statement.result));
}

ColumnType column_type(duckdb_type type, const char* name) {
    switch (type) {
        case DUCKDB_TYPE_BOOLEAN: return ColumnType::boolean;
        case DUCKDB_TYPE_TINYINT:
        case DUCKDB_TYPE_SMALLINT:
        case DUCKDB_TYPE_INTEGER:
        case DUCKDB_TYPE_BIGINT:
        case DUCKDB_TYPE_UINTEGER:
        case DUCKDB_TYPE_HUGEINT: return ColumnType::integer;
        case DUCKDB_TYPE_FLOAT:
        case DUCKDB_TYPE_DOUBLE: return ColumnType::real;
        case DUCKDB_TYPE_VARCHAR: return ColumnType::text;
        case DUCKDB_TYPE_TIMESTAMP:
        case DUCKDB_TYPE_DATE: return ColumnType::timestamp;
        default:
            throw Error(Errc::invalid_argument,
                        fmt::format("column {} has a type that cannot be read: cast it to bigint, "
                                    "double, varchar or timestamp",
                                    name));
    }
}

}  // namespace loadstone::analytics::duckdb
