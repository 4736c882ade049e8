#include "loadstone/store/typed.h"

#include <fmt/core.h>

#include <cmath>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/store/reader.h"

namespace loadstone::store {

void JsonArray::separate() {
    if (text_.back() != '[') text_ += ',';
}

void JsonArray::begin_row() {
    separate();
    text_ += '[';
}

void JsonArray::end_row() { text_ += ']'; }

void JsonArray::add(std::int64_t value) {
    separate();
    text_ += fmt::format("{}", value);
}

void JsonArray::add(double value) {
    if (!std::isfinite(value))
        throw Error(Errc::invalid_argument,
                    fmt::format("{} cannot be in an array of a statement", value));
    separate();
    text_ += fmt::format("{}", value);  // the shortest text that reads back as the same
}

void JsonArray::add(bool value) {
    separate();
    text_ += value ? "true" : "false";
}

void JsonArray::add(std::string_view value) {
    if (value.find('\0') != std::string_view::npos)
        throw Error(Errc::invalid_argument,
                    "text with U+0000 cannot be in an array of a statement");
    separate();
    write_json_string(text_, value);
}

void JsonArray::add_null() {
    separate();
    text_ += "null";
}

std::int64_t page_rows(std::string_view statement, std::int64_t limit) {
    if (limit < 1 || limit > page_limit_max)
        throw Error(Errc::invalid_argument, fmt::format("{}: a page of {} rows is not in 1..{}",
                                                        statement, limit, page_limit_max));
    return limit + 1;
}

}  // namespace loadstone::store
