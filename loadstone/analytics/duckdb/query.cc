#include "loadstone/analytics/duckdb/query.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

namespace loadstone::analytics::duckdb {

using internal::FrameKind;
using internal::WireReader;
using internal::WireWriter;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t frame_bytes_aim = 64U << 10U;
constexpr int send_timeout_ms = 30'000;

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

struct Budget {
    std::int64_t rows_max = 0, bytes_max = 0;
};

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

template <class T>
T at(void* data, idx_t row) {
    return static_cast<const T*>(data)[row];
}

std::int64_t narrowed(duckdb_hugeint value) {
    const bool fits =
        (value.upper == 0 && value.lower <= std::numeric_limits<std::int64_t>::max()) ||
        (value.upper == -1 && value.lower > std::numeric_limits<std::int64_t>::max());
    if (!fits) throw Error(Errc::invalid_argument, "a sum is beyond 64 bits: cast it to double");
    return static_cast<std::int64_t>(value.lower);
}

void append_value(WireWriter& to, duckdb_type type, void* data, idx_t row) {
    switch (type) {
        case DUCKDB_TYPE_BOOLEAN: to.byte(at<bool>(data, row) ? 1 : 0); break;
        case DUCKDB_TYPE_TINYINT: to.integer(at<std::int8_t>(data, row)); break;
        case DUCKDB_TYPE_SMALLINT: to.integer(at<std::int16_t>(data, row)); break;
        case DUCKDB_TYPE_INTEGER: to.integer(at<std::int32_t>(data, row)); break;
        case DUCKDB_TYPE_BIGINT:
        case DUCKDB_TYPE_TIMESTAMP: to.integer(at<std::int64_t>(data, row)); break;
        case DUCKDB_TYPE_UINTEGER: to.integer(at<std::uint32_t>(data, row)); break;
        case DUCKDB_TYPE_HUGEINT: to.integer(narrowed(at<duckdb_hugeint>(data, row))); break;
        case DUCKDB_TYPE_FLOAT: to.real(at<float>(data, row)); break;
        case DUCKDB_TYPE_DOUBLE: to.real(at<double>(data, row)); break;
        case DUCKDB_TYPE_DATE:
            to.integer(at<std::int32_t>(data, row) * std::int64_t{86'400'000'000});
            break;
        case DUCKDB_TYPE_VARCHAR: {
            auto text = at<duckdb_string_t>(data, row);
            to.text({duckdb_string_t_data(&text), duckdb_string_t_length(text)});
            break;
        }
        default: break;  // column_type() has refused it
    }
}

// Every column is nullable here: DuckDB does not say which are.
std::vector<duckdb_type> send_columns(int fd, duckdb_result& result) {
    std::vector<duckdb_type> types;
    std::vector<Column> columns;
    for (idx_t i = 0; i < duckdb_column_count(&result); ++i) {
        types.push_back(duckdb_column_type(&result, i));
        const char* name = duckdb_column_name(&result, i);
        columns.push_back({name, column_type(types.back(), name), true});
    }
    send_frame(fd, FrameKind::columns, to_text(columns), send_timeout_ms);
    return types;
}

struct Chunk {
    explicit Chunk(duckdb_data_chunk of) : handle(of) {}
    Chunk(const Chunk&) = delete;
    Chunk& operator=(const Chunk&) = delete;
    ~Chunk() { duckdb_destroy_data_chunk(&handle); }
    duckdb_data_chunk handle;
};

void append_chunk(std::string& out, duckdb_data_chunk chunk,
                  const std::vector<duckdb_type>& types) {
    std::vector<void*> data;
    std::vector<std::uint64_t*> valid;
    for (idx_t column = 0; column < types.size(); ++column) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
        data.push_back(duckdb_vector_get_data(vector));
        valid.push_back(duckdb_vector_get_validity(vector));
    }
    WireWriter to(out);
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); ++row) {
        for (std::size_t column = 0; column < types.size(); ++column) {
            const bool has_value =
                valid[column] == nullptr || duckdb_validity_row_is_valid(valid[column], row);
            to.byte(has_value ? 1 : 0);
            if (has_value) append_value(to, types[column], data[column], row);
        }
    }
}

void send_rows(int fd, Statement& statement, const Budget& budget) {
    const auto types = send_columns(fd, statement.result);
    std::string body;
    std::int64_t rows = 0, bytes = 0;
    for (;;) {
        const Chunk chunk(duckdb_fetch_chunk(statement.result));
        if (chunk.handle == nullptr) break;
        rows += static_cast<std::int64_t>(duckdb_data_chunk_get_size(chunk.handle));
        if (rows > budget.rows_max)
            throw Error(Errc::resource_exhausted,
                        fmt::format("the result has more than {} rows", budget.rows_max));
        const std::size_t before = body.size();
        append_chunk(body, chunk.handle, types);
        bytes += static_cast<std::int64_t>(body.size() - before);
        if (bytes > budget.bytes_max)
            throw Error(Errc::resource_exhausted,
                        fmt::format("the result has more than {} bytes", budget.bytes_max));
        if (body.size() < frame_bytes_aim) continue;
        send_frame(fd, FrameKind::rows, body, send_timeout_ms);
        body.clear();
    }
    const char* said = duckdb_result_error(&statement.result);
    if (said != nullptr) throw error_of(duckdb_result_error_type(&statement.result), said);
    if (!body.empty()) send_frame(fd, FrameKind::rows, body, send_timeout_ms);
}

}  // namespace

void run_query(Connection& on, Watch& watch, int fd, std::string_view body) {
    WireReader from(body);
    const std::string_view text = from.text();
    const auto deadline = steady_clock::now() + milliseconds(from.integer());
    Budget budget;
    budget.rows_max = from.integer();
    budget.bytes_max = from.integer();
    const Watch::Guard guard(watch, on.handle, fd, deadline);
    try {
        Statement statement;
        prepare(on, statement, text);
        const std::int64_t values = from.integer();
        if (static_cast<std::int64_t>(duckdb_nparams(statement.prepared)) != values)
            throw Error(Errc::invalid_argument,
                        fmt::format("the statement has {} parameters, {} values were given",
                                    duckdb_nparams(statement.prepared), values));
        for (std::int64_t i = 1; i <= values; ++i)
            bind(statement.prepared, static_cast<idx_t>(i), from);
        if (duckdb_pending_prepared_streaming(statement.prepared, &statement.pending) ==
            DuckDBError)
            throw Error(Errc::invalid_argument, duckdb_pending_error(statement.pending));
        if (duckdb_execute_pending(statement.pending, &statement.result) == DuckDBError)
            throw error_of(duckdb_result_error_type(&statement.result),
                           duckdb_result_error(&statement.result));
        send_rows(fd, statement, budget);
    } catch (const Error& error) {
        if (error.code() == Errc::cancelled && guard.deadline_has_passed())
            throw Error(Errc::deadline_exceeded, "the query was interrupted at its deadline");
        throw;
    }
}

}  // namespace loadstone::analytics::duckdb
