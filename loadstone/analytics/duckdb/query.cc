#include "loadstone/analytics/duckdb/query.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "loadstone/analytics/duckdb/statement.h"

namespace loadstone::analytics::duckdb {

using internal::FrameKind;
using internal::WireReader;
using internal::WireWriter;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t frame_bytes_aim = 64U << 10U;
constexpr int send_timeout_ms = 30'000, last_send_ms = 1'000;

struct Budget {
    std::int64_t rows_max = 0, bytes_max = 0;
    steady_clock::time_point end;
};

// For an asker that takes its rows slowly: what it has not taken by then is not stuck (watch.h).
int left_ms(steady_clock::time_point end) {
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), last_send_ms, send_timeout_ms));
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

void require_names(const std::vector<Column>& columns) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (!is_name(columns[i].name))
            throw Error(Errc::invalid_argument,
                        fmt::format("column {} of the result is called \"{}\": give it a name of "
                                    "a-z, 0-9 and _ that begins with a letter, as in `count(*) as "
                                    "facts`",
                                    i + 1, columns[i].name));
    }
}

// Every column is nullable here: DuckDB does not say which are.
std::vector<duckdb_type> send_columns(int fd, duckdb_result& result, steady_clock::time_point end) {
    std::vector<duckdb_type> types;
    std::vector<Column> columns;
    for (idx_t i = 0; i < duckdb_column_count(&result); ++i) {
        types.push_back(duckdb_column_type(&result, i));
        const char* name = duckdb_column_name(&result, i);
        columns.push_back({name, column_type(types.back(), name), true});
    }
    require_names(columns);
    send_frame(fd, FrameKind::columns, to_text(columns), left_ms(end));
    return types;
}

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
    const auto types = send_columns(fd, statement.result, budget.end);
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
        send_frame(fd, FrameKind::rows, body, left_ms(budget.end));
        body.clear();
    }
    const char* said = duckdb_result_error(&statement.result);
    if (said != nullptr) throw error_of(duckdb_result_error_type(&statement.result), said);
    if (!body.empty()) send_frame(fd, FrameKind::rows, body, left_ms(budget.end));
}

}  // namespace

void run_query(Connection& on, Watch& watch, int fd, std::string_view body) {
    WireReader from(body);
    const std::string_view text = from.text();
    const auto deadline = steady_clock::now() + milliseconds(from.integer());
    Budget budget;
    budget.rows_max = from.integer();
    budget.bytes_max = from.integer();
    budget.end = deadline;
    const Watch::Guard guard(watch, on.handle, fd, deadline);
    try {
        Statement statement;
        run_statement(on, text, from, statement);
        send_rows(fd, statement, budget);
    } catch (const Error& error) {
        if (error.code() == Errc::cancelled && guard.deadline_has_passed())
            throw Error(Errc::deadline_exceeded, "the query was interrupted at its deadline");
        throw;
    }
}

}  // namespace loadstone::analytics::duckdb
