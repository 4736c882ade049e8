#pragma once
// JSON of described structs (RFC 8259). Writing goes straight from the struct to text, without a
// document tree; reading is strict and bounded. Id<T> is a number, Timestamp an RFC 3339 string,
// bytes base64, an empty optional is null.

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
    int depth_max = 32;
};

inline constexpr JsonReadOptions stored_json{.unknown_fields_allowed = true,
                                             .missing_fields_allowed = true};

void write_json(std::string& out, const TypeInfo& type, const void* object);
// On failure Errc::invalid_argument; field() is the path, or empty where the text is not JSON.
Result<void> read_json(std::string_view text, const TypeInfo& type, void* object,
                       const JsonReadOptions& options);
// `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
void write_json_string(std::string& out, std::string_view text);

template <class T>
std::string to_json(const T& value) {
    std::string out;
    write_json(out, type_info<T>(), &value);
    return out;
}

template <class T>
Result<T> from_json(std::string_view text, const JsonReadOptions& options = {}) {
    T value{};
    auto read = read_json(text, type_info<T>(), &value, options);
    if (!read) return tl::unexpected<Error>(std::move(read.error()));
    return value;
}

}  // namespace loadstone
