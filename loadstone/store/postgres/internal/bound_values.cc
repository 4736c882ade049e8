#include "loadstone/store/postgres/internal/bound_values.h"

#include <bit>
#include <cstring>
#include <limits>

#include "loadstone/base/error.h"

namespace loadstone::store::postgres {

namespace {

void put_big_endian(std::array<char, 8>& out, std::uint64_t bits) noexcept {
    static_assert(std::endian::native == std::endian::little);
    bits = __builtin_bswap64(bits);
    std::memcpy(out.data(), &bits, sizeof bits);
}

int checked_length(std::string_view text) {
    constexpr std::size_t bytes_max = 1'000'000'000;  // PostgreSQL's limit of a field is 1 GiB
    if (text.size() > bytes_max) {
        throw Error(Errc::invalid_argument,
                    "a value of more than 1000000000 bytes cannot be stored");
    }
    return static_cast<int>(text.size());
}

}  // namespace

Oid type_of(const Value& value) noexcept {
    switch (value.kind) {
        case ValueKind::null: return oid::unknown;
        case ValueKind::boolean: return oid::boolean;
        case ValueKind::integer: return oid::int8;
        case ValueKind::real: return oid::float8;
        case ValueKind::text: return oid::text;
        case ValueKind::bytes: return oid::bytes;
    }
    return oid::unknown;
}

void BoundValues::assign(std::span<const Value> values) {
    const std::size_t n = values.size();
    types_.resize(n);
    values_.resize(n);
    lengths_.resize(n);
    formats_.assign(n, 1);
    numbers_.resize(n);  // before pointers into it are taken
    for (std::size_t i = 0; i < n; ++i) {
        const Value& value = values[i];
        types_[i] = type_of(value);
        auto& number = numbers_[i];
        values_[i] = number.data();
        lengths_[i] = 8;
        switch (value.kind) {
            case ValueKind::null: values_[i] = nullptr; break;
            case ValueKind::boolean:
                number[0] = value.integer != 0 ? 1 : 0;
                lengths_[i] = 1;
                break;
            case ValueKind::integer:
                put_big_endian(number, static_cast<std::uint64_t>(value.integer));
                break;
            case ValueKind::real:
                put_big_endian(number, std::bit_cast<std::uint64_t>(value.real));
                break;
            case ValueKind::text:
            case ValueKind::bytes:
                lengths_[i] = checked_length(value.text);
                // A null pointer would be a null; an empty view may have one.
                if (value.text.data() != nullptr) values_[i] = value.text.data();
                break;
        }
    }
}

}  // namespace loadstone::store::postgres
