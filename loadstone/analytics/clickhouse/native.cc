#include "loadstone/analytics/clickhouse/native.h"

#include <fmt/core.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

#include "loadstone/analytics/internal/wire.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::clickhouse {

using internal::WireWriter;

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t columns_max = 1'000;
constexpr std::size_t block_rows_max = 1U << 24U;
constexpr std::int64_t second_us = 1'000'000;

struct EndsEarly {};  // the rest is still to come

// Bytes that are read from the front.
class Input {
public:
    explicit Input(std::string_view in) : in_(in) {}
    std::string_view take(std::size_t bytes) {
        if (bytes > in_.size()) throw EndsEarly();
        const std::string_view taken = in_.substr(0, bytes);
        in_.remove_prefix(bytes);
        return taken;
    }
    std::size_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto part = static_cast<std::uint8_t>(take(1)[0]);
            value |= std::uint64_t{part & 0x7FU} << shift;
            if ((part & 0x80U) == 0) return value;
        }
        throw Error(Errc::data_loss, "ClickHouse: a number of more than 10 bytes");
    }
    std::string_view text() { return take(number()); }
    std::size_t left() const noexcept { return in_.size(); }

private:
    std::string_view in_;
};

std::int64_t integer_at(std::string_view bytes, const NativeType& type) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    const auto bits = static_cast<unsigned>(8 * bytes.size());
    if (type.is_signed && bits < 64 && (value >> (bits - 1) & 1U) != 0)
        value |= ~std::uint64_t{0} << bits;
    if (!type.is_signed && value > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        throw Error(Errc::invalid_argument, "a number is beyond 63 bits: cast it to Float64");
    return static_cast<std::int64_t>(value);
}

double real_at(std::string_view bytes) {
    double wide = 0;
    float narrow = 0;
    if (bytes.size() == sizeof narrow) {
        std::memcpy(&narrow, bytes.data(), sizeof narrow);
        return static_cast<double>(narrow);
    }
    std::memcpy(&wide, bytes.data(), sizeof wide);
    return wide;
}

void append_value(WireWriter& to, const NativeType& type, std::string_view bytes) {
    switch (type.type) {
        case ColumnType::boolean: to.byte(bytes[0] != 0 ? 1 : 0); break;
        case ColumnType::integer: to.integer(integer_at(bytes, type)); break;
        case ColumnType::real: to.real(real_at(bytes)); break;
        case ColumnType::text: to.text(bytes); break;
        case ColumnType::timestamp: to.integer(integer_at(bytes, type) * type.unit_us); break;
    }
}

// What stands in the parentheses of `Name(...)`; nothing: it is another type.
std::optional<std::string_view> inside(std::string_view type, std::string_view name) {
    if (!type.starts_with(name) || !type.ends_with(')') || type.size() < name.size() + 2 ||
        type[name.size()] != '(')
        return std::nullopt;
    return type.substr(name.size() + 1, type.size() - name.size() - 2);
}

int number_in(std::string_view text) {
    int value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

struct Named {
    std::string_view name;
    NativeType type;
};
constexpr Named plain_types[] = {
    {"UInt8", {ColumnType::integer, false, false, 1}},
    {"UInt16", {ColumnType::integer, false, false, 2}},
    {"UInt32", {ColumnType::integer, false, false, 4}},
    {"UInt64", {ColumnType::integer, false, false, 8}},
    {"Int8", {ColumnType::integer, false, true, 1}},
    {"Int16", {ColumnType::integer, false, true, 2}},
    {"Int32", {ColumnType::integer, false, true, 4}},
    {"Int64", {ColumnType::integer, false, true, 8}},
    {"Float32", {ColumnType::real, false, false, 4}},
    {"Float64", {ColumnType::real, false, false, 8}},
    {"Bool", {ColumnType::boolean, false, false, 1}},
    {"String", {ColumnType::text}},
    {"Nothing", {ColumnType::integer, false, false, 1}},
    {"Date", {ColumnType::timestamp, false, false, 2, 86'400 * second_us}},
    {"DateTime", {ColumnType::timestamp, false, false, 4, second_us}},
    {"DateTime64(6)", {ColumnType::timestamp, false, true, 8, 1}},
};

}  // namespace

NativeType native_type(std::string_view type, std::string_view column) {
    if (const auto nested = inside(type, "Nullable")) {
        NativeType of = native_type(*nested, column);
        of.is_nullable = true;
        return of;
    }
    for (const Named& plain : plain_types) {
        if (plain.name == type) return plain.type;
    }
    if (inside(type, "DateTime")) return {ColumnType::timestamp, false, false, 4, second_us};
    const auto fraction = inside(type, "DateTime64");
    if (fraction && number_in(*fraction) == 6) return {ColumnType::timestamp, false, true, 8, 1};
    if (const auto bytes = inside(type, "FixedString"); bytes && number_in(*bytes) > 0) {
        NativeType of{ColumnType::text};
        of.width = number_in(*bytes);
        return of;
    }
    throw Error(Errc::invalid_argument,
                fmt::format("column {} has the type {}, which cannot be read: cast it to Int64, "
                            "Float64, String or DateTime",
                            column, type));
}

class NativeReader::Block {
public:
    explicit Block(std::string_view bytes) : in_(bytes) {
        const std::size_t before = in_.left();
        const std::size_t count = in_.number();
        rows_ = in_.number();
        if (count > columns_max || rows_ > block_rows_max)
            throw Error(Errc::data_loss,
                        fmt::format("ClickHouse: a block of {} columns and {} rows", count, rows_));
        for (std::size_t i = 0; i < count; ++i) read_column();
        bytes_ = before - in_.left();
    }

    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t rows() const noexcept { return rows_; }
    std::vector<Column> columns() const {
        std::vector<Column> columns;
        for (const Values& of : values_) columns.push_back({of.name, of.type.type, true});
        return columns;
    }
    std::string wire_rows() const {
        std::string out;
        WireWriter to(out);
        for (std::size_t row = 0; row < rows_; ++row) {
            for (const Values& of : values_) {
                const bool has_value = of.nulls.empty() || of.nulls[row] == 0;
                to.byte(has_value ? 1 : 0);
                if (has_value) append_value(to, of.type, of.at(row));
            }
        }
        return out;
    }

private:
    struct Values {
        std::string_view at(std::size_t row) const {
            if (type.width == 0) return texts[row];
            const auto width = static_cast<std::size_t>(type.width);
            return fixed.substr(row * width, width);
        }
        std::string name;
        NativeType type;
        std::string_view nulls{}, fixed{};
        std::vector<std::string_view> texts{};
    };

    void read_column() {
        Values& of = values_.emplace_back();
        of.name = in_.text();
        of.type = native_type(in_.text(), of.name);
        if (of.type.is_nullable) of.nulls = in_.take(rows_);
        if (of.type.width > 0) {
            of.fixed = in_.take(rows_ * static_cast<std::size_t>(of.type.width));
            return;
        }
        of.texts.reserve(std::min(rows_, in_.left()));
        for (std::size_t row = 0; row < rows_; ++row) of.texts.push_back(in_.text());
    }

    Input in_;
    std::size_t rows_ = 0, bytes_ = 0;
    std::vector<Values> values_;
};

bool NativeReader::read_block() {
    if (buffer_.empty()) return false;
    try {
        const Block block(buffer_);
        if (!has_columns_) on_columns_(block.columns());
        has_columns_ = true;
        rows_ += static_cast<std::int64_t>(block.rows());
        if (block.rows() > 0) on_rows_(block.wire_rows());
        buffer_.erase(0, block.bytes());
        wanted_ = 1;
        return true;
    } catch (const EndsEarly&) {
        // Looked at again when there is twice as much: a large block is not read often.
        wanted_ = 2 * buffer_.size();
        return false;
    }
}

void NativeReader::take(std::string_view bytes) {
    buffer_ += bytes;
    while (buffer_.size() >= wanted_ && read_block()) {
    }
}

void NativeReader::finish() {
    while (read_block()) {
    }
    if (!buffer_.empty()) throw Error(Errc::data_loss, "ClickHouse: the answer ends early");
}

}  // namespace loadstone::analytics::clickhouse
