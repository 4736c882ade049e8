#pragma once
// analytics::query<T>(context, statement, values...): rows of the column store as described
// structs. Read-only: a SELECT in the store's SQL over the tables of facts, parameters as $1, $2.
//
//     inline constexpr analytics::Query activity{"dashboards.activity", "select ..."};
//     const auto days = co_await analytics::query<Day>(context, activity, course, since);
//     days.rows; days.as_of;  // all that had been committed by then is counted
//
// The result's columns have the names of T's members, in their order. The store does not say which
// may be null: a null for a member that is no optional is data_loss. An integer for a Timestamp is
// its microseconds since 1970 (as ClickHouse has them).
//
// Limits: the context's deadline or Options::query_timeout, whichever is sooner, at which the query
// is interrupted; query_rows_max, query_bytes_max (resource_exhausted); memory_mb of the process.
// As many as queries_max run at once, query_queue_max wait, beyond: unavailable.

#include <string_view>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/base/function_ref.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"
#include "loadstone/store/value.h"

namespace loadstone::analytics {

struct Query {
    std::string_view name;             // for messages
    std::string_view text;             // for DuckDB
    std::string_view clickhouse = {};  // for ClickHouse; empty: the same
    // Columns of ClickHouse's answer, with commas between, that are microseconds since 1970: in a
    // file they are times, as DuckDB has them.
    std::string_view clickhouse_times = {};
};

// Makes room for one more object of the result, and gives it.
using NewObject = FunctionRef<void*()>;

// Gives as of when. `row_read` is called after each object has been filled, on a thread of the
// analytics lane: it may block, the store waits. Errors: as above; unavailable while the store's
// process is not there, or facts go to another server's.
Task<Timestamp> query_objects(Context& context, const Query& query,
                              std::span<const store::Value> values, const TypeInfo& type,
                              NewObject next, FunctionRef<void()> row_read);

template <class T>
struct Answer {
    std::vector<T> rows;
    Timestamp as_of;
};

template <class T, class... Values>
Task<Answer<T>> query(Context& context, const Query& query, const Values&... values) {
    const std::array<store::Value, sizeof...(Values)> bound{store::Value(values)...};
    Answer<T> answer;
    auto next = [&]() -> void* { return &answer.rows.emplace_back(); };
    auto read = [] {};
    answer.as_of = co_await query_objects(context, query, bound, type_info<T>(), next, read);
    co_return answer;
}

// Streams: `sink` gets row by row on a thread of the analytics lane; memory stays flat.
template <class T, class... Values>
Task<Timestamp> query_each(Context& context, const Query& query, FunctionRef<void(const T&)> sink,
                           const Values&... values) {
    const std::array<store::Value, sizeof...(Values)> bound{store::Value(values)...};
    T row{};
    auto next = [&]() -> void* {
        row = T{};
        return &row;
    };
    auto read = [&] { sink(row); };
    co_return co_await query_objects(context, query, bound, type_info<T>(), next, read);
}

}  // namespace loadstone::analytics
