#pragma once
// The order of the catalogue: titles byte by byte, ASCII letters without their case.

#include <string>
#include <string_view>

namespace campus::courses {

std::string title_key(std::string_view title);
// U+10FFFF, which is no character: no title holds it, so it stands behind all that one can.
inline constexpr std::string_view behind_all = "\U0010FFFF";
// Keys that begin with `prefix` lie in [prefix, end), where `end` is it with behind_all. (Both
// databases take only whole UTF-8, so the last byte cannot be raised instead.)
std::string end_of_prefix(std::string_view prefix);

}  // namespace campus::courses
