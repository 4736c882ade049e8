#pragma once
// What the functions that tools/sqlgen generates are made of: arrays as parameters, and pages.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/id.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::store {

// An array as both databases take it: JSON, a row being an array within it. Timestamp and Id<T>
// are numbers. Errc::invalid_argument: text with U+0000, a real that is not finite. Text that is
// not UTF-8 is written with U+FFFD.
class JsonArray {
public:
    void begin_row();
    void end_row();
    void add(std::int64_t value);
    void add(double value);
    void add(bool value);
    void add(std::string_view value);
    void add(const std::string& value) { add(std::string_view(value)); }
    void add(const char*) = delete;
    void add(Timestamp value) { add(value.micros); }
    template <class Tag>
    void add(Id<Tag> value) {
        add(value.value);
    }
    template <class T>
    void add(const std::optional<T>& value) {
        if (value) {
            add(*value);
        } else {
            add_null();
        }
    }
    std::string text() const { return text_ + "]"; }

private:
    void add_null();
    void separate();

    std::string text_ = "[";
};

template <class Range>
std::string json_array(const Range& values) {
    JsonArray array;
    for (const auto& value : values) array.add(value);
    return array.text();
}

// How many rows to ask for, so that a page of `limit` knows whether there is a next one: one more.
// With the row that tells whether there are more, within the default row budget of a statement.
inline constexpr std::int64_t page_limit_max = 9'999;
// Errc::invalid_argument unless limit is in 1..page_limit_max.
std::int64_t page_rows(std::string_view statement, std::int64_t limit);

// Drops the row beyond the page; whether there was one.
template <class Row>
bool cut_page(std::vector<Row>& rows, std::int64_t limit) {
    if (rows.size() <= static_cast<std::size_t>(limit)) return false;
    rows.pop_back();
    return true;
}

}  // namespace loadstone::store
