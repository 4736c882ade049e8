#include "loadstone/analytics/query.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/internal/answers.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {

using internal::ColumnStore;
using internal::WireReader;
using store::Value;

namespace {

// Objects of more bytes are made on the CPU lane: some tenths of a millisecond.
constexpr std::size_t on_loop_bytes_max = 64U << 10U;

void require_members(const TypeInfo& type, const std::vector<Column>& columns) {
    bool is_equal = type.fields.size() == columns.size();
    for (std::size_t i = 0; is_equal && i < columns.size(); ++i)
        is_equal = type.fields[i].name == columns[i].name;
    if (!is_equal)
        throw Error(Errc::data_loss, fmt::format("the columns \"{}\" are not the members of {}",
                                                 to_text(columns), type.name));
}

[[noreturn]] void throw_named(const Query& query, const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", query.name, error.message()));
}

// Blocks. Gives as of when.
std::int64_t ask(Context& context, const Query& query, std::span<const Value> values,
                 std::int64_t as_of, const ColumnStore::OnColumns& on_columns,
                 const ColumnStore::OnRows& on_rows) {
    Analytics& analytics = context.services().get<Analytics>();
    internal::Question question;
    question.query = query;
    question.values = values;
    question.as_of = as_of;
    // Of when it begins: it may have waited for its turn.
    question.bounds.timeout =
        std::min(context.deadline().remaining(), analytics.options().query_timeout);
    question.bounds.rows_max = analytics.options().query_rows_max;
    question.bounds.bytes_max = analytics.options().query_bytes_max;
    try {
        return analytics.store().query(question, on_columns, on_rows);
    } catch (const Error& error) {
        throw_named(query, error);
    }
}

void read_objects(const Query& query, const internal::StoredAnswer& answer, const TypeInfo& type,
                  NewObject next) {
    try {
        require_members(type, answer.columns);
        WireReader from(answer.rows);
        while (!from.at_end()) internal::read_row(from, answer.columns, type, next());
    } catch (const Error& error) {
        throw_named(query, error);
    }
}

// What is in memory is given to whoever asks: it waits behind no question on the lane of those, and
// where the CPU lane has no room, or is none, the loop does it.
Task<void> run_unrefused(Context& context, FunctionRef<void()> work) {
    bool has_begun = false;
    if (const auto* cpu = context.services().find<runtime::CpuLane>()) {
        auto begin = [&] {
            has_begun = true;
            work();
        };
        try {
            co_await cpu->lane.run(context, begin);
        } catch (const Error& error) {
            if (has_begun || error.code() != Errc::unavailable) throw;
        }
    }
    if (!has_begun) work();
}

}  // namespace

void throw_no_row(const Query& query) {
    throw Error(Errc::not_found, fmt::format("{}: no such row", query.name));
}

Task<Timestamp> query_objects(Context& context, const Query& query, std::span<const Value> values,
                              const TypeInfo& type, NewObject next, FunctionRef<void()> row_read) {
    context.require_no_transaction("analytics::query()");
    Analytics& analytics = context.services().get<Analytics>();
    analytics.require_open();
    auto work = [&]() -> Timestamp {
        std::vector<Column> columns;
        auto on_columns = [&](const std::vector<Column>& found) {
            require_members(type, found);
            columns = found;
        };
        auto on_rows = [&](std::string_view bytes) {
            WireReader from(bytes);
            while (!from.at_end()) {
                internal::read_row(from, columns, type, next());
                row_read();
            }
        };
        return {ask(context, query, values, 0, on_columns, on_rows)};
    };
    const Timestamp as_of = co_await analytics.queries().run(context, work);
    analytics.require_fresh(query.name, context.reading().freshness, as_of);
    co_return as_of;
}

Task<Timestamp> shared_objects(Context& context, const Query& query, std::span<const Value> values,
                               const TypeInfo& type, NewObject next) {
    context.require_no_transaction("analytics::query()");
    Analytics& analytics = context.services().get<Analytics>();
    analytics.require_open();
    auto work = [&](std::int64_t shown_as_of) {
        internal::StoredAnswer answer;
        auto on_columns = [&](const std::vector<Column>& found) { answer.columns = found; };
        auto on_rows = [&](std::string_view bytes) { answer.rows += bytes; };
        answer.as_of = ask(context, query, values, shown_as_of, on_columns, on_rows);
        return answer;
    };
    // Both texts: of one there may be several with the other.
    internal::SharedQuestion question{query.name, std::string(query.clickhouse)};
    question.key += '\0';
    question.key += internal::query_body(query.text, values, {});
    const internal::GivenAnswer given =
        co_await analytics.answers().get(context, analytics.queries(), question, work);
    const Timestamp as_of{given.as_of};
    analytics.require_fresh(query.name, context.reading().freshness, as_of);
    const internal::StoredAnswer& answer = *given.answer;
    auto read = [&] { read_objects(query, answer, type, next); };
    if (answer.rows.size() > on_loop_bytes_max)
        co_await run_unrefused(context, read);
    else
        read();
    co_return as_of;
}

}  // namespace loadstone::analytics
