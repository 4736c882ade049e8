// What handlers get: from body, path and query string into described structs.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "loadstone/base/encoding.h"
#include "loadstone/base/json.h"
#include "loadstone/net/internal/http_error.h"
#include "loadstone/net/internal/text.h"
#include "loadstone/net/route.h"

namespace loadstone::net::internal {

namespace {

constexpr std::size_t quoted_max = 64;  // of a caller's text in a message

// False if it is no decimal number of its width.
bool parse_integer(std::string_view text, const TypeInfo& type, void* object) noexcept {
    std::int64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && stop == end && set_integer(type, object, value);
}

bool parse_real(std::string_view text, const TypeInfo& type, void* object) noexcept {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end || !std::isfinite(value)) return false;
    if (type.size == sizeof(float) && std::abs(value) > std::numeric_limits<float>::max())
        return false;
    set_real(type, object, value);
    return true;
}

std::string_view expectation(const TypeInfo& type) noexcept {
    switch (type.kind) {
        case TypeKind::boolean: return "true or false";
        case TypeKind::integer: return "an integer of its range";
        case TypeKind::real: return "a number";
        case TypeKind::timestamp: return "a time such as 2026-01-31T12:00:00Z";
        default: return "text";
    }
}

// One scalar; false if the text is none of its kind.
bool parse_scalar(std::string_view text, const TypeInfo& type, void* object) {
    switch (type.kind) {
        case TypeKind::boolean:
            if (text != "true" && text != "false") return false;
            *static_cast<bool*>(object) = text == "true";
            return true;
        case TypeKind::integer: return parse_integer(text, type, object);
        case TypeKind::real: return parse_real(text, type, object);
        case TypeKind::text: *static_cast<std::string*>(object) = text; return true;
        case TypeKind::timestamp: {
            const auto time = timestamp_from_rfc3339(text);
            if (time) *static_cast<Timestamp*>(object) = *time;
            return time.has_value();
        }
        default: throw Error(Errc::internal, fmt::format("a {} cannot be a parameter", type.name));
    }
}

Error parameter_error(std::string_view name, std::string_view message) {
    return Error(Errc::invalid_argument,
                 fmt::format("query parameter '{}' {}", name.substr(0, quoted_max), message))
        .with_field(std::string(name.substr(0, quoted_max)));
}

// application/x-www-form-urlencoded (WHATWG URL 5.1), but what is malformed is refused.
std::string decode_form(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            decoded += ' ';
        } else if (text[i] != '%') {
            decoded += text[i];
        } else {
            const bool has_two = text.size() - i > 2;
            const int high = has_two ? hex_value(text[i + 1]) : -1;
            const int low = has_two ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                throw HttpError(400, Errc::invalid_argument,
                                "the query string has a % without two hexadecimal digits");
            }
            decoded += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    if (!is_utf8(decoded) || decoded.find('\0') != std::string::npos) {
        throw HttpError(400, Errc::invalid_argument, "the query string is not UTF-8 without NUL");
    }
    return decoded;
}

const FieldInfo* find_field(const TypeInfo& type, std::string_view name) noexcept {
    for (const FieldInfo& field : type.fields) {
        if (field.name == name) return &field;
    }
    return nullptr;
}

void set_parameter(const FieldInfo& field, void* record, std::string_view text) {
    const TypeInfo* type = &field.type();
    void* object = field.address(record);
    if (type->kind == TypeKind::optional || type->kind == TypeKind::list) {
        object = type->emplace(object);
        type = &type->element();
    }
    if (!parse_scalar(text, *type, object)) {
        throw HttpError(
            {parameter_error(field.name, fmt::format("must be {}", expectation(*type)))});
    }
}

}  // namespace

void read_body(const Request& request, const TypeInfo& type, void* object) {
    auto read = read_json(request.body(), type, object, {});
    if (read) return;
    if (read.error().field().empty()) {
        throw HttpError(400, Errc::invalid_argument, read.error().message());
    }
    throw HttpError({std::move(read.error())});
}

void throw_failures(const Check& check) {
    if (!check.failures().empty()) throw HttpError(check.failures());
}

void read_path_value(std::string_view text, const TypeInfo& type, void* object) {
    if (parse_scalar(text, type, object)) return;
    throw Error(Errc::not_found, fmt::format("nothing is named '{}' here: it must be {}",
                                             text.substr(0, quoted_max), expectation(type)));
}

void read_parameters(std::string_view query, const TypeInfo& type, void* object) {
    std::vector<const FieldInfo*> seen;
    while (!query.empty()) {
        const auto end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        const std::string name = decode_form(pair.substr(0, equals));
        const std::string value = decode_form(
            equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
        const FieldInfo* field = find_field(type, name);
        if (field == nullptr) throw HttpError({parameter_error(name, "is not known here")});
        const bool is_again = std::find(seen.begin(), seen.end(), field) != seen.end();
        if (is_again && field->type().kind != TypeKind::list) {
            throw HttpError({parameter_error(name, "comes twice")});
        }
        if (!is_again) seen.push_back(field);
        set_parameter(*field, object, value);
    }
}

}  // namespace loadstone::net::internal
