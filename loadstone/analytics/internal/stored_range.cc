#include "loadstone/analytics/internal/stored_range.h"

#include <fmt/core.h>

#include <array>
#include <set>
#include <vector>

#include "loadstone/analytics/internal/rollup_sql.h"
#include "loadstone/store/value.h"

namespace loadstone::analytics::internal {

namespace {

std::set<std::string> columns_of(ColumnStore& store, const std::string& table,
                                 const QueryBounds& bounds) {
    const std::array<store::Value, 1> values{store::Value(table)};
    const Question question{store.columns_of_table(), values, bounds};
    std::vector<Column> columns;
    std::set<std::string> names;
    auto on_columns = [&](const std::vector<Column>& found) { columns = found; };
    auto on_rows = [&](std::string_view bytes) {
        WireReader from(bytes);
        while (!from.at_end()) names.emplace(read_cell(from, columns[0]).text);
    };
    store.query(question, on_columns, on_rows);
    return names;
}

}  // namespace

void add_stored(ColumnStore& store, const Schema& schema, const StoredRange& range,
                const QueryBounds& bounds, DaySums& sums) {
    const auto names = columns_of(store, schema.fact, bounds);
    if (names.empty()) return;
    std::string list;
    std::vector<std::size_t> places;  // of each column of the result, in the schema
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
        if (!names.contains(schema.columns[i].name)) continue;
        list += (list.empty() ? "" : ", ") + quoted(schema.columns[i].name);
        places.push_back(i);
    }
    if (!names.contains(range.key)) return;
    const std::string text = fmt::format("select {0} from {1} where {2} >= $1 and {2} < $2", list,
                                         quoted(schema.fact), quoted(range.key));
    const std::array<store::Value, 2> values{store::Value(range.from), store::Value(range.end)};
    std::vector<Column> columns;
    std::vector<Cell> cells(schema.columns.size());
    for (Cell& cell : cells) cell.is_null = true;
    auto on_columns = [&](const std::vector<Column>& found) { columns = found; };
    auto on_rows = [&](std::string_view bytes) {
        WireReader from(bytes);
        while (!from.at_end()) {
            for (std::size_t i = 0; i < columns.size(); ++i)
                cells[places[i]] = read_cell(from, columns[i]);
            sums.add(cells);
        }
    };
    const Question question{{"stored_range", text}, values, bounds};
    store.query(question, on_columns, on_rows);
}

std::int64_t differing_groups(ColumnStore& store, const FormRollup& rollup,
                              const StoredRange& range, const QueryBounds& bounds) {
    if (!store.keeps_rollups()) return 0;
    const std::string text =
        differences(rollup.name, *rollup.rollup, rollup.form.schema->fact, range.key);
    const std::array<store::Value, 2> values{store::Value(range.from), store::Value(range.end)};
    std::int64_t differing = 0;
    std::vector<Column> columns;
    auto on_columns = [&](const std::vector<Column>& found) { columns = found; };
    auto on_rows = [&](std::string_view bytes) {
        WireReader from(bytes);
        differing = read_cell(from, columns[0]).integer;
    };
    const Question question{{"differing_groups", text}, values, bounds};
    store.query(question, on_columns, on_rows);
    return differing;
}

}  // namespace loadstone::analytics::internal
