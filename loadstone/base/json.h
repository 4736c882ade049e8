#pragma once
// JSON of described structs (RFC 8259). Both ways go without a document tree: writing straight
// from the struct to text, reading event by event into the struct. Reading is strict and bounded.
// Id<T> is a number, Timestamp an RFC 3339 string, bytes base64, an empty optional is null, and so
// is a real that is not finite. Text that is not UTF-8 is written with U+FFFD and never read.

#include <cstddef>
#include <string>
#include <string_view>

#include "loadstone/base/describe.h"
#include "loadstone/base/result.h"

namespace loadstone {

struct JsonReadOptions {
    // Requests: reject what is not known. Stored data (job arguments): ignore it.
    bool unknown_fields_allowed = false;
    // Requests: a member without optional<> must be there. Stored data: it keeps its default.
    bool missing_fields_allowed = false;
    // Requests: text with U+0000 is refused, for databases cannot hold it. Stored data: it is read.
    bool nul_allowed = false;
    // Lists and objects within each other, 1..1000.
    int depth_max = 32;
    // Elements of all lists of the text together: "[{},{}]" would buy much memory with few bytes.
    std::size_t items_max = 100'000;
};

inline constexpr JsonReadOptions stored_json{
    .unknown_fields_allowed = true, .missing_fields_allowed = true, .nul_allowed = true};

// Appends. Ends soon after `out` is longer than `bytes_max`, well before it is twice as long: what
// there is then is no JSON.
void write_json(std::string& out, const TypeInfo& type, const void* object,
                std::size_t bytes_max = std::string::npos);
// Every member that the text names is replaced; the others keep what they hold. On failure
// Errc::invalid_argument and `object` is partly filled; field() is the path, or empty where the
// text is not JSON or its outermost value is of the wrong kind.
Result<void> read_json(std::string_view text, const TypeInfo& type, void* object,
                       const JsonReadOptions& options);
// A record without the members that hold what `fresh`, a new one, holds. Read back with
// missing_fields_allowed it is the same. Nested records are written whole.
void write_json_changes(std::string& out, const TypeInfo& type, const void* object,
                        const void* fresh);
// `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. `bytes_max` as above.
void write_json_string(std::string& out, std::string_view text,
                       std::size_t bytes_max = std::string::npos);

template <class T>
std::string to_json(const T& value) {
    std::string out;
    write_json(out, type_info<T>(), &value);
    return out;
}

// Appends; see write_json_changes().
template <class T>
void append_json_changes(std::string& out, const T& value) {
    static const T fresh{};
    write_json_changes(out, type_info<T>(), &value, &fresh);
}

template <class T>
Result<T> from_json(std::string_view text, const JsonReadOptions& options = {}) {
    T value{};
    auto read = read_json(text, type_info<T>(), &value, options);
    if (!read) return tl::unexpected<Error>(std::move(read.error()));
    return value;
}

}  // namespace loadstone
