#include "loadstone/analytics/query.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/analytics/internal/store_client.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {

using internal::WireReader;
using internal::WireWriter;
using store::Value;
using store::ValueKind;

namespace {

// After its deadline the store says so itself; this is for one that does not.
constexpr int grace_ms = 2'000;

void append(WireWriter& to, const Value& value) {
    switch (value.kind) {
        case ValueKind::null: to.byte('n'); break;
        case ValueKind::boolean:
            to.byte('b');
            to.byte(value.integer != 0 ? 1 : 0);
            break;
        case ValueKind::integer:
            to.byte('i');
            to.integer(value.integer);
            break;
        case ValueKind::real:
            to.byte('r');
            to.real(value.real);
            break;
        case ValueKind::text:
            to.byte('t');
            to.text(value.text);
            break;
        case ValueKind::bytes:
            throw Error(Errc::invalid_argument, "bytes are no parameter of an analytics query");
    }
}

std::string body_of(const Query& query, std::span<const Value> values, const Options& options,
                    std::chrono::milliseconds timeout) {
    std::string body;
    WireWriter to(body);
    to.text(query.text);
    to.integer(timeout.count());
    to.integer(options.query_rows_max);
    to.integer(options.query_bytes_max);
    to.integer(static_cast<std::int64_t>(values.size()));
    for (const Value& value : values) append(to, value);
    return body;
}

void require_members(const TypeInfo& type, const std::vector<Column>& columns) {
    bool is_equal = type.fields.size() == columns.size();
    for (std::size_t i = 0; is_equal && i < columns.size(); ++i)
        is_equal = type.fields[i].name == columns[i].name;
    if (!is_equal)
        throw Error(Errc::data_loss, fmt::format("the columns \"{}\" are not the members of {}",
                                                 to_text(columns), type.name));
}

}  // namespace

Task<Timestamp> query_objects(Context& context, const Query& query, std::span<const Value> values,
                              const TypeInfo& type, NewObject next, FunctionRef<void()> row_read) {
    Analytics& analytics = context.services().get<Analytics>();
    auto ask = [&]() -> Timestamp {
        // Of when it begins: it may have waited for its turn.
        const auto timeout =
            std::min(context.deadline().remaining(), analytics.options().query_timeout);
        const std::string body = body_of(query, values, analytics.options(), timeout);
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
        const int patience = static_cast<int>(timeout.count()) + grace_ms;
        try {
            return {analytics.client().query(body, patience, on_columns, on_rows).as_of};
        } catch (const Error& error) {
            throw Error(error.code(), fmt::format("{}: {}", query.name, error.message()));
        }
    };
    co_return co_await analytics.queries().run(context, ask);
}

}  // namespace loadstone::analytics
