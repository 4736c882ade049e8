#include "loadstone/analytics/internal/day_sums.h"

#include <algorithm>
#include <string>
#include <utility>

namespace loadstone::analytics::internal {

namespace {

constexpr std::int64_t day_us = 86'400'000'000;

// FNV-1a, and then mixed, so that the low bits depend on all.
std::uint64_t hash_of(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char byte : bytes) {
        hash ^= static_cast<unsigned char>(byte);
        hash *= 0x100000001b3U;
    }
    hash ^= hash >> 33U;
    hash *= 0xff51afd7ed558ccdU;
    return hash ^ (hash >> 33U);
}

// Whether a column may be null or not, a value has the same bytes.
std::string canonical(const std::vector<Cell>& cells, const std::vector<Column>& columns) {
    std::string bytes;
    WireWriter to(bytes);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        to.byte(cells[i].is_null ? 0 : 1);
        if (cells[i].is_null) continue;
        switch (columns[i].type) {
            case ColumnType::boolean:
            case ColumnType::integer:
            case ColumnType::timestamp: to.integer(cells[i].integer); break;
            case ColumnType::real: to.real(cells[i].real); break;
            case ColumnType::text: to.text(cells[i].text); break;
        }
    }
    return bytes;
}

}  // namespace

DaySums::DaySums(std::vector<Column> columns) : columns_(std::move(columns)) {
    const auto at = std::ranges::find(columns_, ColumnType::timestamp, &Column::type);
    time_ = static_cast<std::size_t>(at - columns_.begin());
}

void DaySums::add(const std::vector<Cell>& cells) {
    std::int64_t day = 0;
    if (time_ < cells.size() && !cells[time_].is_null) {
        const std::int64_t micros = cells[time_].integer;
        day = micros / day_us - (micros % day_us < 0 ? 1 : 0);
    }
    Day& of = days_[day];
    ++of.facts;
    of.sum += static_cast<std::int64_t>(hash_of(canonical(cells, columns_)) & 0x7FFFFFFFU);
}

void DaySums::add(std::string_view row, const std::vector<Column>& like) {
    WireReader from(row);
    cells_.clear();
    for (const Column& column : like) cells_.push_back(read_cell(from, column));
    add(cells_);
}

}  // namespace loadstone::analytics::internal
