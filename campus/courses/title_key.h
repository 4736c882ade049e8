#pragma once
// The order of the catalogue: titles byte by byte, ASCII letters without their case.

#include <string>
#include <string_view>

namespace campus::courses {

std::string title_key(std::string_view title);
// Keys that begin with `prefix` lie in [prefix, end): behind it stands U+10FFFF, which is no
// character. (Both databases take only whole UTF-8, so the last byte cannot be raised instead.)
std::string end_of_prefix(std::string_view prefix);

}  // namespace campus::courses
