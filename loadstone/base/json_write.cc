#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"
#include "loadstone/base/internal/utf8.h"
#include "loadstone/base/json.h"

namespace loadstone {

namespace {

template <class T>
void write_number(std::string& out, T value) {
    char digits[32];  // the longest is a double: "-2.2250738585072014e-308"
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, static_cast<std::size_t>(end - digits));
}

void write_integer(std::string& out, const TypeInfo& type, const void* object) {
    const std::int64_t value = get_integer(type, object);
    if (type.is_signed) return write_number(out, value);
    write_number(out, static_cast<std::uint64_t>(value));
}

void write_real(std::string& out, const TypeInfo& type, const void* object) {
    const double value = get_real(type, object);
    if (!std::isfinite(value)) {
        out += "null";
    } else if (type.size == sizeof(float)) {
        write_number(out, static_cast<float>(value));
    } else {
        write_number(out, value);
    }
}

constexpr bool is_plain(char c) noexcept {
    return static_cast<unsigned char>(c) - 0x20U < 0x60U && c != '"' && c != '\\';
}

// Where the run of bytes that go out as they are ends: ASCII but controls, quote and backslash.
// Eight at a time; the marks of a word are exact up to and including its lowest one.
std::size_t plain_end(std::string_view text, std::size_t at) noexcept {
    static_assert(std::endian::native == std::endian::little);
    constexpr std::uint64_t ones = 0x0101010101010101U;
    constexpr std::uint64_t tops = 0x80 * ones;
    for (; text.size() - at >= 8; at += 8) {
        std::uint64_t word;
        std::memcpy(&word, text.data() + at, 8);
        const std::uint64_t quote = word ^ (ones * '"');
        const std::uint64_t backslash = word ^ (ones * '\\');
        const std::uint64_t marks =
            (word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops;
        if (marks != 0) return at + static_cast<std::size_t>(std::countr_zero(marks)) / 8;
    }
    while (at < text.size() && is_plain(text[at])) ++at;
    return at;
}

void write_escaped(std::string& out, char c) {
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\b': out += "\\b"; return;
        case '\f': out += "\\f"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: break;
    }
    out += "\\u00";
    out += hex[static_cast<unsigned char>(c) >> 4];
    out += hex[static_cast<unsigned char>(c) & 15];
}

// As much of what becomes at least as much text as makes `out` too long.
template <class Bytes>
Bytes within(const std::string& out, const Bytes& bytes, std::size_t bytes_max) noexcept {
    const std::size_t room = bytes_max - std::min(bytes_max, out.size());
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): with its length
    return bytes.size() <= room ? bytes : Bytes(bytes.data(), room + 1);
}

void write_list(std::string& out, const TypeInfo& type, const void* object, std::size_t bytes_max) {
    const TypeInfo& element = type.element();
    const std::size_t count = type.count(object);
    out += '[';
    for (std::size_t i = 0; i < count && out.size() <= bytes_max; ++i) {
        if (i > 0) out += ',';
        write_json(out, element, type.at(object, i), bytes_max);
    }
    out += ']';
}

// Are both known to be the same? Of what is nested only that both are empty.
bool is_same(const TypeInfo& type, const void* one, const void* other) {
    switch (type.kind) {
        case TypeKind::boolean:
            return *static_cast<const bool*>(one) == *static_cast<const bool*>(other);
        case TypeKind::integer: return get_integer(type, one) == get_integer(type, other);
        case TypeKind::text:
            return *static_cast<const std::string*>(one) == *static_cast<const std::string*>(other);
        case TypeKind::optional: return !type.has_value(one) && !type.has_value(other);
        case TypeKind::list: return type.count(one) == 0 && type.count(other) == 0;
        default: return false;
    }
}

// `fresh`: null, or what members are left out if they are the same.
void write_record(std::string& out, const TypeInfo& type, const void* object, const void* fresh,
                  std::size_t bytes_max) {
    char separator = '{';
    for (const FieldInfo& field : type.fields) {
        const TypeInfo& member_type = field.type();
        const void* const member = field.address(const_cast<void*>(object));
        if (fresh != nullptr &&
            is_same(member_type, member, field.address(const_cast<void*>(fresh))))
            continue;
        out += separator;
        separator = ',';
        out += '"';
        out += field.name;  // a C++ identifier: nothing to escape
        out += "\":";
        write_json(out, member_type, member, bytes_max);
    }
    if (separator == '{') out += '{';
    out += '}';
}

}  // namespace

void write_json_string(std::string& out, std::string_view text, std::size_t bytes_max) {
    text = within(out, text, bytes_max);
    out += '"';
    std::size_t written = 0;
    std::size_t at = 0;
    // Runs of bytes that need no change go out in one piece.
    while (out.size() <= bytes_max && (at = plain_end(text, at)) < text.size()) {
        const auto step = internal::utf8_step(text.data() + at, text.size() - at);
        if (step.is_valid && step.bytes > 1) {
            at += step.bytes;
            continue;
        }
        out.append(text, written, at - written);
        if (step.is_valid) {
            write_escaped(out, text[at]);
        } else {
            out += "\xEF\xBF\xBD";
        }
        at += step.bytes;
        written = at;
    }
    out.append(text, written, text.size() - written);
    out += '"';
}

void write_json(std::string& out, const TypeInfo& type, const void* object, std::size_t bytes_max) {
    switch (type.kind) {
        case TypeKind::boolean: out += *static_cast<const bool*>(object) ? "true" : "false"; return;
        case TypeKind::integer: return write_integer(out, type, object);
        case TypeKind::real: return write_real(out, type, object);
        case TypeKind::text:
            return write_json_string(out, *static_cast<const std::string*>(object), bytes_max);
        case TypeKind::bytes:
            out += '"';
            append_base64(
                out, within(out, std::span(*static_cast<const std::vector<std::byte>*>(object)),
                            bytes_max));
            out += '"';
            return;
        case TypeKind::timestamp:
            out += '"';
            append_rfc3339(out, *static_cast<const Timestamp*>(object));
            out += '"';
            return;
        case TypeKind::optional:
            if (type.has_value(object))
                return write_json(out, type.element(), type.at(object, 0), bytes_max);
            out += "null";
            return;
        case TypeKind::list: return write_list(out, type, object, bytes_max);
        case TypeKind::record: return write_record(out, type, object, nullptr, bytes_max);
    }
}

void write_json_changes(std::string& out, const TypeInfo& type, const void* object,
                        const void* fresh) {
    LOADSTONE_ASSERT(type.kind == TypeKind::record, "only records have members");
    write_record(out, type, object, fresh, std::string::npos);
}

}  // namespace loadstone
