#include "loadstone/analytics/ad_hoc.h"

#include <fmt/format.h>

#include <cmath>

#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/base/json.h"

namespace loadstone::analytics {

namespace {

std::string text_of(const internal::Cell& cell, ColumnType type) {
    switch (type) {
        case ColumnType::boolean: return cell.integer != 0 ? "true" : "false";
        case ColumnType::integer: return fmt::to_string(cell.integer);
        case ColumnType::real: return fmt::to_string(cell.real);
        case ColumnType::text: return std::string(cell.text);
        case ColumnType::timestamp: return to_rfc3339({cell.integer});
    }
    return "";
}

// JSON has no infinity and no NaN: those are text.
bool is_bare(const std::string& value, ColumnType type) {
    if (type == ColumnType::real) return value.find_first_of("in") == std::string::npos;
    return type == ColumnType::boolean || type == ColumnType::integer;
}

}  // namespace

AdHocAnswer ask_ad_hoc(const Options& options, std::string_view text) {
    const auto store = internal::open_store(options);
    internal::Question question;
    question.query = {"typed", text};
    question.is_ad_hoc = true;
    question.bounds.timeout = options.query_timeout;
    question.bounds.rows_max = options.query_rows_max;
    question.bounds.bytes_max = options.query_bytes_max;
    AdHocAnswer answer;
    auto on_columns = [&](const std::vector<Column>& found) { answer.columns = found; };
    auto on_rows = [&](std::string_view bytes) {
        internal::WireReader from(bytes);
        while (!from.at_end()) {
            auto& row = answer.rows.emplace_back();
            for (const Column& column : answer.columns) {
                const internal::Cell cell = internal::read_cell(from, column);
                auto& value = row.emplace_back();
                if (!cell.is_null) value = text_of(cell, column.type);
            }
        }
    };
    answer.as_of = {store->query(question, on_columns, on_rows)};
    return answer;
}

std::string to_json(const AdHocAnswer& answer) {
    std::vector<std::string> names;
    for (const Column& column : answer.columns) names.push_back(column.name);
    std::string json = fmt::format("{{\"columns\":{},\"rows\":[", loadstone::to_json(names));
    for (std::size_t i = 0; i < answer.rows.size(); ++i) {
        json += i == 0 ? "[" : ",[";
        for (std::size_t at = 0; at < answer.rows[i].size(); ++at) {
            const auto& value = answer.rows[i][at];
            if (at > 0) json += ',';
            if (!value)
                json += "null";
            else
                json +=
                    is_bare(*value, answer.columns[at].type) ? *value : loadstone::to_json(*value);
        }
        json += ']';
    }
    json += fmt::format("],\"as_of\":\"{}\"}}", to_rfc3339(answer.as_of));
    return json;
}

}  // namespace loadstone::analytics
