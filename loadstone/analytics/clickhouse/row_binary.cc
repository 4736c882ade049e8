#include "loadstone/analytics/clickhouse/row_binary.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace loadstone::analytics::clickhouse {

using internal::Cell;
using internal::WireReader;

namespace {

static_assert(std::endian::native == std::endian::little);

template <class T>
void append_fixed(std::string& out, T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof value);
}

void append_text(std::string& out, std::string_view text) {
    std::size_t rest = text.size();
    while (rest >= 0x80U) {
        out += static_cast<char>(rest | 0x80U);
        rest >>= 7U;
    }
    out += static_cast<char>(rest);
    out += text;
}

void append_value(std::string& out, const Cell& cell, ColumnType type) {
    switch (type) {
        case ColumnType::boolean: out += static_cast<char>(cell.integer != 0 ? 1 : 0); break;
        case ColumnType::integer:
        case ColumnType::timestamp: append_fixed(out, cell.integer); break;
        case ColumnType::real: append_fixed(out, cell.real); break;
        case ColumnType::text: append_text(out, cell.text); break;
    }
}

}  // namespace

RowEncoder::RowEncoder(const internal::FactForm& form, const StoredTable& table)
    : schema_(*form.schema) {
    const auto place_of = [&](const std::string& name) {
        const auto at = std::ranges::find(schema_.columns, name, &Column::name);
        return at == schema_.columns.end() ? -1 : at - schema_.columns.begin();
    };
    key_ = place_of(form.key);
    for (const StoredColumn& column : table.columns) {
        Place& place = places_.emplace_back();
        place.from = place_of(column.name);
        place.is_nullable = column.type.starts_with("Nullable(");
        if (place.from >= 0)
            place.type = schema_.columns[static_cast<std::size_t>(place.from)].type;
    }
}

void RowEncoder::read(std::string_view bytes) {
    WireReader from(bytes);
    cells_.clear();
    for (const Column& column : schema_.columns) cells_.push_back(read_cell(from, column));
    if (!from.at_end())
        throw Error(Errc::data_loss,
                    fmt::format("a fact of {} is longer than its columns", schema_.fact));
}

std::int64_t RowEncoder::key() const {
    return key_ < 0 ? 0 : cells_[static_cast<std::size_t>(key_)].integer;
}

void RowEncoder::append(std::string& out, const RowMark& mark) const {
    append_fixed(out, mark.epoch);
    append_fixed(out, mark.batch);
    append_fixed(out, mark.from);
    append_fixed(out, mark.span);
    static const Cell none{.is_null = true};
    for (const Place& place : places_) {
        const Cell& cell = place.from < 0 ? none : cells_[static_cast<std::size_t>(place.from)];
        if (place.is_nullable) out += static_cast<char>(cell.is_null ? 1 : 0);
        // A column that is not Nullable is a key, which is above 0 where there is one.
        if (!cell.is_null || !place.is_nullable) append_value(out, cell, place.type);
    }
}

std::string insert_statement(const StoredTable& table) {
    std::string list = "_epoch, _batch, _from, _span";
    for (const StoredColumn& column : table.columns) list += ", \"" + column.name + "\"";
    return fmt::format("INSERT INTO {} ({}) FORMAT RowBinary", rows_table(table.fact), list);
}

}  // namespace loadstone::analytics::clickhouse
