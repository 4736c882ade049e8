#pragma once
// TypeInfo: a described type as data, so that JSON, rows, validation and OpenAPI are each one
// ordinary function that walks it, compiled once, instead of a template per type. Built by
// describe.h. All pointers are to static storage and live as long as the program.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace loadstone {

enum class TypeKind : std::uint8_t {
    boolean,    // bool
    integer,    // any integral type, see size and is_signed; Id<T> too
    real,       // double, float
    text,       // std::string
    bytes,      // std::vector<std::byte>
    timestamp,  // Timestamp
    optional,   // std::optional<element>
    list,       // std::vector<element>
    record,     // a BOOST_DESCRIBE_STRUCT
};

struct TypeInfo;

struct FieldInfo {
    std::string_view name;
    const TypeInfo& (*type)();
    void* (*address)(void* object);
};

struct TypeInfo {
    TypeKind kind;
    std::string_view name;   // records: the C++ name; others: the kind's
    std::size_t size = 0;    // integer and real: bytes
    bool is_signed = false;  // integer
    bool is_id = false;      // integer that is an Id<T>

    const TypeInfo& (*element)() = nullptr;  // optional, list

    // optional
    bool (*has_value)(const void* object) = nullptr;
    void (*reset)(void* object) = nullptr;
    // optional: emplaces and gives the element; list: appends one and gives it
    void* (*emplace)(void* object) = nullptr;
    // list
    std::size_t (*count)(const void* object) = nullptr;
    // optional (index 0) and list
    const void* (*at)(const void* object, std::size_t index) = nullptr;
    void (*clear)(void* object) = nullptr;

    // record
    std::span<const FieldInfo> fields{};
};

// Integers of every width through one pair of functions. `set_integer` is false if it does not
// fit. A std::uint64_t above 2^63 - 1 reads as the negative number of the same bits and cannot be
// set: bigint columns have no place for it either. JSON does (json.h).
std::int64_t get_integer(const TypeInfo& type, const void* object) noexcept;
bool set_integer(const TypeInfo& type, void* object, std::int64_t value) noexcept;
double get_real(const TypeInfo& type, const void* object) noexcept;
void set_real(const TypeInfo& type, void* object, double value) noexcept;

}  // namespace loadstone
