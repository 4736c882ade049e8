#include "loadstone/analytics/clickhouse/export.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/analytics/clickhouse/native.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::analytics::clickhouse {

using internal::Cell;
using internal::WireReader;

namespace {

void append_text(std::string& out, std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        out += text;
        return;
    }
    out += '"';
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

// "2026-01-31 12:00:00.5", "2026-01-31 12:00:00", as DuckDB has it.
std::string time_text(std::int64_t micros) {
    std::string text = to_rfc3339({micros});
    text[text.find('T')] = ' ';
    text.pop_back();
    text.resize(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

void append_cell(std::string& out, const Cell& cell, ColumnType type) {
    if (cell.is_null) return;
    switch (type) {
        case ColumnType::boolean: out += cell.integer != 0 ? "true" : "false"; break;
        case ColumnType::integer: out += fmt::to_string(cell.integer); break;
        case ColumnType::real: out += fmt::to_string(cell.real); break;
        case ColumnType::text: append_text(out, cell.text); break;
        case ColumnType::timestamp: out += time_text(cell.integer); break;
    }
}

[[noreturn]] void throw_not_written() {
    throw Error(Errc::unavailable, "the file of an export cannot be written");
}

}  // namespace

CsvFile::CsvFile(const std::string& path, std::int64_t bytes_max)
    : bytes_max_(bytes_max), file_(path, std::ios::binary) {
    if (!file_) throw_not_written();
}

void CsvFile::write(const std::string& text) {
    bytes_ += std::ssize(text);
    if (bytes_ > bytes_max_)
        throw Error(Errc::resource_exhausted,
                    fmt::format("the file has more than {} bytes", bytes_max_));
    file_ << text;
    if (!file_) throw_not_written();
}

void CsvFile::begin(const std::vector<Column>& columns) {
    columns_ = columns;
    std::string line;
    for (const Column& column : columns_) {
        if (!line.empty()) line += ',';
        append_text(line, column.name);
    }
    write(line + "\n");
}

void CsvFile::append(std::string_view rows) {
    WireReader from(rows);
    std::string text;
    while (!from.at_end()) {
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (i > 0) text += ',';
            append_cell(text, read_cell(from, columns_[i]), columns_[i].type);
        }
        text += '\n';
        ++rows_;
    }
    write(text);
}

void CsvFile::finish() {
    file_.close();
    if (!file_) throw_not_written();
}

std::vector<Column> with_times(std::vector<Column> columns, std::string_view times) {
    while (!times.empty()) {
        const std::string_view name = times.substr(0, times.find(','));
        times.remove_prefix(std::min(times.size(), name.size() + 1));
        const auto found = std::ranges::find(columns, name, &Column::name);
        if (found == columns.end() || found->type != ColumnType::integer)
            throw Error(Errc::invalid_argument,
                        fmt::format("{} is no column of microseconds", name));
        found->type = ColumnType::timestamp;
    }
    return columns;
}

std::vector<Column> columns_of_nothing(Client& client, std::string_view statement,
                                       const QuestionBounds& bounds) {
    std::vector<Column> columns;
    Column column;
    // Rows of name, type, and what they default to.
    std::vector<Column> shape;
    auto on_columns = [&](const std::vector<Column>& found) { shape = found; };
    auto on_rows = [&](std::string_view bytes) {
        WireReader from(bytes);
        while (!from.at_end()) {
            std::vector<Cell> cells;
            for (const Column& each : shape) cells.push_back(read_cell(from, each));
            column.name = cells.at(0).text;
            column.type = native_type(cells.at(1).text, column.name).type;
            column.is_nullable = true;
            columns.push_back(column);
        }
    };
    NativeReader reader(on_columns, on_rows);
    auto take = [&](std::string_view bytes) { reader.take(bytes); };
    client.ask(fmt::format("DESCRIBE TABLE ({}\n)", statement), "Native", bounds, take);
    reader.finish();
    return columns;
}

}  // namespace loadstone::analytics::clickhouse
