#include "loadstone/base/csv.h"

namespace loadstone {

namespace {

void append_cell(std::string& out, std::string_view cell) {
    const bool is_formula =
        !cell.empty() && std::string_view("=+-@\t\r").find(cell.front()) != std::string_view::npos;
    if (cell.find_first_of(",\"\r\n") == std::string_view::npos) {
        if (is_formula) out += '\'';
        out += cell;
        return;
    }
    out += '"';
    if (is_formula) out += '\'';
    for (const char c : cell) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

}  // namespace

void append_csv_record(std::string& out, std::initializer_list<std::string_view> cells) {
    bool is_first = true;
    for (const std::string_view cell : cells) {
        if (!is_first) out += ',';
        is_first = false;
        append_cell(out, cell);
    }
    out += "\r\n";
}

}  // namespace loadstone
