#pragma once
// BoundValues: a statement's parameters as libpq takes them: all in binary, with declared types,
// so that a statement means the same whatever column it meets. Integers are int8, reals float8,
// text is text (its binary form is its bytes, of any length, in UTF-8). A null has no type of its
// own and takes the one that the server infers.

#include <libpq-fe.h>

#include <array>
#include <span>
#include <vector>

#include "loadstone/store/value.h"

namespace loadstone::store::postgres {

namespace oid {
inline constexpr Oid unknown = 0, boolean = 16, bytes = 17, char1 = 18, name = 19, int8 = 20,
                     int2 = 21, int4 = 23, text = 25, json = 114, float4 = 700, float8 = 701,
                     untyped = 705, bpchar = 1042, varchar = 1043, numeric = 1700, jsonb = 3802;
}

Oid type_of(const Value& value) noexcept;

// Borrows the text and bytes of the values.
class BoundValues {
public:
    void assign(std::span<const Value> values);

    int count() const noexcept { return static_cast<int>(types_.size()); }
    const std::vector<Oid>& types() const noexcept { return types_; }
    const char* const* values() const noexcept { return values_.data(); }
    const int* lengths() const noexcept { return lengths_.data(); }
    const int* formats() const noexcept { return formats_.data(); }

private:
    std::vector<Oid> types_;
    std::vector<const char*> values_;
    std::vector<int> lengths_;
    std::vector<int> formats_;
    std::vector<std::array<char, 8>> numbers_;
};

}  // namespace loadstone::store::postgres
