#pragma once
// Questions to the column store. A module writes them in its sql/facts/*.sql, and tools/sqlgen
// makes functions of them, of which each statement has been prepared on a DuckDB:
//
//     -- name: activity_by_day :many (course CourseId, since timestamp) -> Day
//
//     const auto days = co_await facts_sql::activity_by_day(context, course, since);
//     days.rows; days.as_of;  // all that had been committed by then is counted
//
// They stand on analytics::query<T>(context, statement, values...), which knows nothing of the
// statement: a SELECT over the tables of facts, parameters as $1, $2. Rows are described structs.
//
// The result's columns have the names of T's members, in their order. The store does not say which
// may be null: a null for a member that is no optional is data_loss. An integer for a Timestamp is
// its microseconds since 1970 (as ClickHouse has them).
//
// As old as the store's state is, unless Options::answer_lag_max bounds that, or the context reads
// `within(age)`: beyond, unavailable, which is known behind the last row.
//
// Who asks what is being asked waits for that answer, within his own deadline; answers are kept
// until the store has changed (internal/answers.h), but for those of query_each().
//
// Limits: the context's deadline or Options::query_timeout, whichever is sooner, at which the query
// is interrupted; query_rows_max, query_bytes_max (resource_exhausted); memory_mb of the process.
// As many as queries_max run at once, query_queue_max wait, beyond: unavailable.

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/analytics/answer.h"
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

// The same, shared with who asks the same: from a kept answer, or another's. Objects are made
// on the context's loop, or of a large answer on the CPU lane if that has room.
Task<Timestamp> shared_objects(Context& context, const Query& query,
                               std::span<const store::Value> values, const TypeInfo& type,
                               NewObject next);

// Whether these are the members of a described struct, in this order.
template <class T>
constexpr bool has_members(std::initializer_list<std::string_view> names) {
    constexpr auto fields = loadstone::internal::field_table<T>(
        static_cast<loadstone::internal::DescribedMembers<T>*>(nullptr));
    return std::ranges::equal(fields, names, {}, &FieldInfo::name);
}

[[noreturn]] void throw_no_row(const Query& query);

template <class T, class... Values>
Task<Answer<T>> query(Context& context, const Query& query, const Values&... values) {
    const std::array<store::Value, sizeof...(Values)> bound{store::Value(values)...};
    Answer<T> answer;
    auto next = [&]() -> void* { return &answer.rows.emplace_back(); };
    answer.as_of = co_await shared_objects(context, query, bound, type_info<T>(), next);
    co_return answer;
}

// The first row. Errors: not_found if there is none.
template <class T, class... Values>
Task<Single<T>> query_one(Context& context, const Query& asked, const Values&... values) {
    Answer<T> answer = co_await query<T>(context, asked, values...);
    if (answer.rows.empty()) throw_no_row(asked);
    co_return Single<T>{std::move(answer.rows.front()), answer.as_of};
}

template <class T, class... Values>
Task<Single<std::optional<T>>> query_maybe(Context& context, const Query& asked,
                                           const Values&... values) {
    Answer<T> answer = co_await query<T>(context, asked, values...);
    Single<std::optional<T>> single;
    single.as_of = answer.as_of;
    if (!answer.rows.empty()) single.row = std::move(answer.rows.front());
    co_return single;
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
