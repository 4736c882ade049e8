#include "loadstone/analytics/clickhouse/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace loadstone::analytics::clickhouse {

using internal::FactForm;
using internal::FormRollup;
using std::chrono::milliseconds;

namespace {

const char* const own_columns = "_epoch UInt32, _batch UInt32, _from UInt32, _span UInt32";

std::string sql_type(const Column& column, const std::string& key) {
    if (column.name == key) return "Int64";
    switch (column.type) {
        case ColumnType::boolean: return "Nullable(UInt8)";
        case ColumnType::integer:
        case ColumnType::timestamp: return "Nullable(Int64)";
        case ColumnType::real: return "Nullable(Float64)";
        case ColumnType::text: return "Nullable(String)";
    }
    return "";
}

// A key that was none when the table was made, and the other way round.
bool is_same(std::string_view stored, std::string_view wanted) {
    const auto is_integer = [](std::string_view type) {
        return type == "Int64" || type == "Nullable(Int64)";
    };
    return stored == wanted || (is_integer(stored) && is_integer(wanted));
}

// Names are [a-z0-9_], and may be words of SQL.
std::string quoted(const std::string& name) { return "\"" + name + "\""; }

std::string list_of(const std::vector<StoredColumn>& columns) {
    std::string list;
    for (const StoredColumn& column : columns)
        list += (list.empty() ? "" : ", ") + quoted(column.name);
    return list;
}

// The generation stands first: whoever sees a later one sees all the batches that made it. It
// stands once: between two readings it may change.
std::string view_text(const StoredTable& table) {
    return fmt::format(
        "SELECT {0} FROM {1} WHERE toUInt32((SELECT argMax(shown, version) FROM loadstone_commits "
        "WHERE fact = '{2}' AND epoch IN (SELECT max(epoch) FROM loadstone_epochs)) - _from) <= "
        "_span AND _batch <= {3}[_epoch]",
        list_of(table.columns), rows_table(table.fact), table.fact, last_batches);
}

// Of a word, which has no quote in it.
std::string call_of(const RollupColumn& column) {
    const bool has_condition = !column.of.member.empty();
    const std::string condition = has_condition
                                      ? fmt::format("{} {} '{}'", quoted(column.of.member),
                                                    column.of.is_not ? "<>" : "=", column.of.equals)
                                      : "";
    const std::string ending = has_condition ? "If(" : "(";
    const std::string of_member =
        ending + quoted(column.member) + (has_condition ? ", " : "") + condition + ")";
    switch (column.kind) {
        case RollupColumn::Kind::count: return "toInt64(count" + ending + condition + "))";
        case RollupColumn::Kind::sum: return "sum" + of_member;
        case RollupColumn::Kind::min: return "min" + of_member;
        case RollupColumn::Kind::max: return "max" + of_member;
    }
    return "";
}

std::string rollup_text(const Rollup& rollup, const std::string& fact) {
    std::string keys;
    for (const std::string& key : rollup.keys()) keys += (keys.empty() ? "" : ", ") + quoted(key);
    std::string list = keys;
    for (const RollupColumn& column : rollup.columns())
        list += fmt::format(", {} AS {}", call_of(column), quoted(column.name));
    return fmt::format("SELECT {} FROM {} GROUP BY {}", list, quoted(fact), keys);
}

}  // namespace

std::string rows_table(const std::string& fact) { return "loadstone_rows_" + fact; }

std::vector<StoredColumn> Tables::columns_of(const std::string& table, milliseconds timeout) {
    std::vector<StoredColumn> columns;
    for (const auto& row :
         client_.table(fmt::format("SELECT name, type FROM system.columns WHERE database = "
                                   "currentDatabase() AND table = '{}'",
                                   table),
                       timeout)) {
        if (!row.at(0).starts_with('_')) columns.push_back({row.at(0), row.at(1)});
    }
    return columns;
}

bool Tables::has_view(const std::string& name, milliseconds timeout) {
    const auto found = client_.table(
        fmt::format("SELECT engine FROM system.tables WHERE database = currentDatabase() AND name "
                    "= '{}'",
                    name),
        timeout);
    if (!found.empty() && found[0].at(0) != "View")
        throw Error(Errc::conflict,
                    fmt::format("the column store has a table {} that is not ours", name));
    return !found.empty();
}

// Put in the place of the one before by one statement.
void Tables::make_view(const std::string& name, const std::string& text, bool is_there,
                       milliseconds timeout) {
    const std::string next = "loadstone_next_" + name, last = "loadstone_last_" + name;
    client_.run("DROP TABLE IF EXISTS " + next, timeout);
    client_.run("DROP TABLE IF EXISTS " + last, timeout);
    client_.run(fmt::format("CREATE VIEW {} AS {}", next, text), timeout);
    const std::string view = quoted(name);
    ledger_.require_greatest(timeout);  // else another's view may have columns that this one lacks
    if (!is_there) {
        client_.run(fmt::format("RENAME TABLE {} TO {}", next, view), timeout);
        return;
    }
    client_.run(fmt::format("RENAME TABLE {0} TO {1}, {2} TO {0}", view, last, next), timeout);
    client_.run("DROP TABLE IF EXISTS " + last, timeout);
}

void Tables::note_rollup(const std::string& name, bool is_there, milliseconds timeout) {
    client_.insert("INSERT INTO loadstone_rollups (epoch, name, is_there) VALUES",
                   fmt::format("({},'{}',{})", ledger_.epoch(), name, is_there ? 1 : 0), timeout);
}

void Tables::declare(std::span<const FormRollup> rollups, milliseconds timeout) {
    client_.run(
        "CREATE TABLE IF NOT EXISTS loadstone_rollups (epoch UInt32, name String, is_there UInt8) "
        "ENGINE = MergeTree ORDER BY name",
        timeout);
    std::set<std::string> there;
    for (const auto& row :
         client_.table("SELECT name FROM (SELECT name, argMax(is_there, epoch) AS "
                       "last FROM loadstone_rollups GROUP BY name) WHERE last = 1",
                       timeout))
        there.insert(row.at(0));
    for (const std::string& name : there) {
        if (std::ranges::find(rollups, name, &FormRollup::name) != rollups.end()) continue;
        ledger_.require_greatest(timeout);
        client_.run("DROP TABLE IF EXISTS " + quoted(name), timeout);
        note_rollup(name, false, timeout);
    }
    for (const FormRollup& each : rollups) {
        shape(each.form, timeout);
        if (!there.contains(each.name)) note_rollup(each.name, true, timeout);
        const std::string text = rollup_text(*each.rollup, each.form.schema->fact);
        make_view(each.name, text, has_view(each.name, timeout), timeout);
    }
}

const StoredTable& Tables::shape(const FactForm& form, milliseconds timeout) {
    const Schema& schema = *form.schema;
    StoredTable table = known_[schema.fact];
    const std::string rows = rows_table(schema.fact);
    const bool is_known = !table.fact.empty();
    if (!is_known) table.columns = columns_of(rows, timeout);
    if (table.columns.empty()) {
        std::string list = own_columns;
        for (const Column& column : schema.columns)
            list += fmt::format(", {} {}", quoted(column.name), sql_type(column, form.key));
        const bool has_key =
            std::ranges::find(schema.columns, form.key, &Column::name) != schema.columns.end();
        client_.run(fmt::format("CREATE TABLE IF NOT EXISTS {} ({}) ENGINE = MergeTree ORDER BY {}",
                                rows, list, has_key ? quoted(form.key) : "tuple()"),
                    timeout);
        table.columns = columns_of(rows, timeout);
    }
    bool has_changed = false;
    for (const Column& column : schema.columns) {
        const std::string type = sql_type(column, "");
        const auto at = std::ranges::find(table.columns, column.name, &StoredColumn::name);
        if (at == table.columns.end()) {
            client_.run(
                fmt::format("ALTER TABLE {} ADD COLUMN {} {}", rows, quoted(column.name), type),
                timeout);
            table.columns.push_back({column.name, type});
            has_changed = true;
        } else if (!is_same(at->type, type)) {
            throw Error(Errc::conflict,
                        fmt::format("column {} of fact {} was {} and is {}: a column of another "
                                    "type needs another name",
                                    column.name, schema.fact, at->type, type));
        }
    }
    if (!is_known || has_changed) {
        table.fact = schema.fact;
        const bool is_there = has_view(schema.fact, timeout);
        if (!is_there || columns_of(schema.fact, timeout) != table.columns)
            make_view(table.fact, view_text(table), is_there, timeout);
    }
    // Only now: what failed before is done again.
    return known_[schema.fact] = std::move(table);
}

}  // namespace loadstone::analytics::clickhouse
