#include "loadstone/analytics/clickhouse/literal.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <vector>

#include "loadstone/base/error.h"

namespace loadstone::analytics::clickhouse {

using store::Value;
using store::ValueKind;

namespace {

std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        if (c == '\0')
            out += "\\0";
        else
            out += c;
    }
    return out + "'";
}

std::string of_real(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "(-inf)";
    // With a point or an exponent: without, it would be an integer.
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return value < 0 || text[0] == '-' ? "(" + text + ")" : text;
}

// How many bytes of `text` are a quoted piece or a comment, which ends at `end`; an open one goes
// to the end of the statement.
std::size_t until(std::string_view text, std::size_t from, std::string_view end,
                  bool has_escapes = false) {
    for (std::size_t i = from; i < text.size(); ++i) {
        if (has_escapes && text[i] == '\\') {
            ++i;
        } else if (text.substr(i).starts_with(end)) {
            return i + end.size();
        }
    }
    return text.size();
}

// Of what begins here and is to be copied as it is.
std::size_t literal_bytes(std::string_view text) {
    switch (text[0]) {
        case '\'': return until(text, 1, "'", true);
        case '"': return until(text, 1, "\"", true);
        case '`': return until(text, 1, "`", true);
        case '-': return text.starts_with("--") ? until(text, 1, "\n") : 1;
        case '#':
            return text.starts_with("# ") || text.starts_with("#!") ? until(text, 1, "\n") : 1;
        case '/': return text.starts_with("/*") ? until(text, 2, "*/") : 1;
        default: return 1;
    }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string literal(const Value& value) {
    switch (value.kind) {
        case ValueKind::null: return "NULL";
        case ValueKind::boolean: return value.integer != 0 ? "1" : "0";
        case ValueKind::integer:
            return value.integer < 0 ? fmt::format("({})", value.integer)
                                     : fmt::format("{}", value.integer);
        case ValueKind::real: return of_real(value.real);
        case ValueKind::text: return quoted(value.text);
        case ValueKind::bytes: break;
    }
    throw Error(Errc::invalid_argument, "bytes are no parameter of an analytics query");
}

std::string with_values(std::string_view text, std::span<const Value> values) {
    std::string out;
    std::vector<bool> is_used(values.size());
    while (!text.empty()) {
        const bool is_parameter = text[0] == '$' && text.size() > 1 && is_digit(text[1]);
        std::size_t bytes = literal_bytes(text);
        if (!is_parameter) {
            out += text.substr(0, bytes);
        } else {
            std::size_t number = 0;
            const auto [end, failed] =
                std::from_chars(text.data() + 1, text.data() + text.size(), number);
            if (failed != std::errc() || number == 0 || number > values.size())
                throw Error(Errc::invalid_argument,
                            fmt::format("the statement names a parameter beyond the {} values",
                                        values.size()));
            is_used[number - 1] = true;
            out += literal(values[number - 1]);
            bytes = static_cast<std::size_t>(end - text.data());
        }
        text.remove_prefix(bytes);
    }
    for (std::size_t i = 0; i < is_used.size(); ++i) {
        if (!is_used[i])
            throw Error(Errc::invalid_argument,
                        fmt::format("the statement has no parameter ${}", i + 1));
    }
    return out;
}

}  // namespace loadstone::analytics::clickhouse
