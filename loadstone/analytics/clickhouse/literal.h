#pragma once
// A statement with its parameters as ClickHouse's literals. 18.16 has no parameters of its own over
// HTTP (they came with 19.14), so this is the one place where a value becomes text of a statement.
// A value is a number that is formatted here, or a string in which the two bytes that end or escape
// a literal are escaped; no other byte has a meaning within one.

#include <span>
#include <string>
#include <string_view>

#include "loadstone/store/value.h"

namespace loadstone::analytics::clickhouse {

// In parentheses where a sign before it would make another meaning. Errors: invalid_argument for
// bytes.
std::string literal(const store::Value& value);

// `text` with $1, $2 .. replaced, but for what stands in quotes, in names in quotes, or in
// comments. Errors: invalid_argument if a parameter has no value, or a value no parameter.
std::string with_values(std::string_view text, std::span<const store::Value> values);

}  // namespace loadstone::analytics::clickhouse
