#include "loadstone/analytics/query.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {

using internal::WireReader;
using store::Value;

namespace {

void require_members(const TypeInfo& type, const std::vector<Column>& columns) {
    bool is_equal = type.fields.size() == columns.size();
    for (std::size_t i = 0; is_equal && i < columns.size(); ++i)
        is_equal = type.fields[i].name == columns[i].name;
    if (!is_equal)
        throw Error(Errc::data_loss, fmt::format("the columns \"{}\" are not the members of {}",
                                                 to_text(columns), type.name));
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
    auto ask = [&]() -> Timestamp {
        // Of when it begins: it may have waited for its turn.
        const auto timeout =
            std::min(context.deadline().remaining(), analytics.options().query_timeout);
        internal::Question question;
        question.query = query;
        question.values = values;
        question.bounds.timeout = timeout;
        question.bounds.rows_max = analytics.options().query_rows_max;
        question.bounds.bytes_max = analytics.options().query_bytes_max;
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
        try {
            return {analytics.store().query(question, on_columns, on_rows)};
        } catch (const Error& error) {
            throw Error(error.code(), fmt::format("{}: {}", query.name, error.message()));
        }
    };
    const Timestamp as_of = co_await analytics.queries().run(context, ask);
    analytics.require_fresh(query.name, context.reading().freshness, as_of);
    co_return as_of;
}

}  // namespace loadstone::analytics
