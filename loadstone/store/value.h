#pragma once
// Value: a statement's parameter. Text and bytes are borrowed: they must outlive the statement's
// run (they do when they are arguments or locals of the awaiting coroutine).
//
// The same few types on both databases: bigint/integer, double precision/real, text, bytea/blob,
// boolean/integer. Timestamp and Id<T> are bigint.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "loadstone/base/id.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::store {

enum class ValueKind : std::uint8_t { null, boolean, integer, real, text, bytes };

struct Value {
    ValueKind kind = ValueKind::null;
    std::int64_t integer = 0;  // boolean: 0 or 1
    double real = 0;
    std::string_view text{};  // text and bytes

    Value() = default;
    Value(std::nullopt_t) {}
    Value(bool v) : kind(ValueKind::boolean), integer(v ? 1 : 0) {}
    template <class T>
        requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
    Value(T v) : kind(ValueKind::integer), integer(static_cast<std::int64_t>(v)) {}
    Value(double v) : kind(ValueKind::real), real(v) {}
    Value(std::string_view v) : kind(ValueKind::text), text(v) {}
    Value(const std::string& v) : kind(ValueKind::text), text(v) {}
    Value(const char* v) : kind(ValueKind::text), text(v) {}
    Value(std::span<const std::byte> v)
        : kind(ValueKind::bytes), text(reinterpret_cast<const char*>(v.data()), v.size()) {}
    Value(const std::vector<std::byte>& v) : Value(std::span<const std::byte>(v)) {}
    Value(Timestamp v) : kind(ValueKind::integer), integer(v.micros) {}
    template <class Tag>
    Value(Id<Tag> v) : kind(ValueKind::integer), integer(v.value) {}
    template <class T>
    Value(const std::optional<T>& v) {
        if (v) *this = Value(*v);
    }
};

}  // namespace loadstone::store
