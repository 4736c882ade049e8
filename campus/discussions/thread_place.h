#pragma once
// The place of a thread in the list of its course, as text that clients hand back for the next
// page: "PINNED.MICROSECONDS.ID", e.g. "0.1767225600000000.42". Pure.

#include <optional>
#include <string>
#include <string_view>

#include "campus/discussions/sql.h"

namespace campus::discussions {

std::string to_text(const sql::ThreadsOfCourseCursor& place);
// None: it is no such text.
std::optional<sql::ThreadsOfCourseCursor> place_from_text(std::string_view text);

}  // namespace campus::discussions
