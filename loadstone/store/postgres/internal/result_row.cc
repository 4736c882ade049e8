#include "loadstone/store/postgres/internal/result_row.h"

#include <fmt/format.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "loadstone/store/internal/row_errors.h"
#include "loadstone/store/postgres/internal/bound_values.h"

namespace loadstone::store::postgres {

namespace {

template <class Integer>
Integer big_endian(const char* bytes) noexcept {
    Integer value;
    std::memcpy(&value, bytes, sizeof value);
    if constexpr (sizeof value == 2) return static_cast<Integer>(__builtin_bswap16(value));
    if constexpr (sizeof value == 4) return static_cast<Integer>(__builtin_bswap32(value));
    if constexpr (sizeof value == 8) return static_cast<Integer>(__builtin_bswap64(value));
}

// numeric on the wire: number of digits, weight (of the first, as a power of 10000), sign (0x4000
// is minus, 0xC000 and above are not numbers), scale, then the digits to base 10000; 16 bits each.
struct Numeric {
    explicit Numeric(std::string_view wire) noexcept
        : digits(big_endian<std::uint16_t>(wire.data())),
          weight(static_cast<std::int16_t>(big_endian<std::uint16_t>(wire.data() + 2))),
          sign(big_endian<std::uint16_t>(wire.data() + 4)),
          first(wire.data() + 8) {}

    bool is_number() const noexcept { return sign == 0 || sign == 0x4000; }
    unsigned digit(int power) const noexcept {
        const int index = weight - power;
        return index < 0 || index >= digits ? 0 : big_endian<std::uint16_t>(first + 2 * index);
    }
    int lowest_power() const noexcept { return weight - digits + 1; }

    std::optional<std::int64_t> integer() const noexcept {
        if (!is_number() || (digits > 0 && lowest_power() < 0)) {
            for (int power = lowest_power(); power < 0; ++power) {
                if (digit(power) != 0) return std::nullopt;
            }
            if (!is_number()) return std::nullopt;
        }
        std::int64_t value = 0;
        for (int power = digits == 0 ? -1 : weight; power >= 0; --power) {
            const auto part = static_cast<std::int64_t>(digit(power));
            if (__builtin_mul_overflow(value, 10'000, &value)) return std::nullopt;
            // Downwards, because the least integer has no positive counterpart.
            if (__builtin_sub_overflow(value, part, &value)) return std::nullopt;
        }
        if (sign == 0x4000) return value;
        if (__builtin_sub_overflow(0, value, &value)) return std::nullopt;
        return value;
    }

    double real() const {
        std::string text = sign == 0x4000 ? "-" : "";
        for (int i = 0; i < digits; ++i)
            fmt::format_to(std::back_inserter(text), "{:04}", digit(weight - i));
        fmt::format_to(std::back_inserter(text), "e{}", 4 * lowest_power());
        return digits == 0 ? 0 : std::strtod(text.c_str(), nullptr);
    }

    int digits;
    int weight;
    unsigned sign;
    const char* first;
};

std::string type_name(Oid type) {
    switch (type) {
        case oid::boolean: return "boolean";
        case oid::int2:
        case oid::int4:
        case oid::int8: return "integer";
        case oid::float4:
        case oid::float8: return "real";
        case oid::numeric: return "numeric";
        case oid::bytes: return "bytes";
        case oid::text:
        case oid::varchar:
        case oid::bpchar: return "text";
        default: return fmt::format("the type with oid {}", type);
    }
}

}  // namespace

std::string_view ResultRow::name(int column) const noexcept {
    const char* name = PQfname(result_, column);
    return name == nullptr ? std::string_view() : std::string_view(name);
}

bool ResultRow::is_null(int column) const noexcept {
    return PQgetisnull(result_, row_, column) != 0;
}

std::string_view ResultRow::raw(int column) const noexcept {
    return {PQgetvalue(result_, row_, column),
            static_cast<std::size_t>(PQgetlength(result_, row_, column))};
}

void ResultRow::wrong_type(int column, std::string_view asked) const {
    const std::string found = is_null(column) ? "null" : type_name(PQftype(result_, column));
    internal::throw_wrong_type(*this, column, asked, found);
}

std::size_t ResultRow::size_bytes() const noexcept {
    const int columns = PQnfields(result_);
    std::size_t size = 0;
    for (int i = 0; i < columns; ++i)
        size += static_cast<std::size_t>(PQgetlength(result_, row_, i));
    return size;
}

bool ResultRow::boolean(int column) const {
    if (is_null(column) || PQftype(result_, column) != oid::boolean) wrong_type(column, "boolean");
    return raw(column)[0] != 0;
}

std::int64_t ResultRow::integer(int column) const {
    if (is_null(column)) wrong_type(column, "integer");
    const std::string_view value = raw(column);
    switch (PQftype(result_, column)) {
        case oid::int8: return static_cast<std::int64_t>(big_endian<std::uint64_t>(value.data()));
        case oid::int4: return static_cast<std::int32_t>(big_endian<std::uint32_t>(value.data()));
        case oid::int2: return static_cast<std::int16_t>(big_endian<std::uint16_t>(value.data()));
        case oid::numeric:
            if (const auto number = Numeric(value).integer()) return *number;
            break;
        default: break;
    }
    wrong_type(column, "integer");
}

double ResultRow::real(int column) const {
    if (is_null(column)) wrong_type(column, "real");
    const std::string_view value = raw(column);
    switch (PQftype(result_, column)) {
        case oid::float8: return std::bit_cast<double>(big_endian<std::uint64_t>(value.data()));
        case oid::float4:
            return static_cast<double>(
                std::bit_cast<float>(big_endian<std::uint32_t>(value.data())));
        case oid::int2:
        case oid::int4:
        case oid::int8: return static_cast<double>(integer(column));
        case oid::numeric:
            if (Numeric(value).is_number()) return Numeric(value).real();
            break;
        default: break;
    }
    wrong_type(column, "real");
}

std::string_view ResultRow::text(int column) const {
    if (is_null(column)) wrong_type(column, "text");
    switch (PQftype(result_, column)) {
        case oid::text:
        case oid::varchar:
        case oid::bpchar:
        case oid::name:
        case oid::char1:
        case oid::json:
        case oid::untyped: return raw(column);
        case oid::jsonb: return raw(column).substr(1);  // after the version byte
        default: wrong_type(column, "text");
    }
}

std::string_view ResultRow::bytes(int column) const {
    if (is_null(column) || PQftype(result_, column) != oid::bytes) wrong_type(column, "bytes");
    return raw(column);
}

}  // namespace loadstone::store::postgres
