#pragma once
// What is said of jobs by whoever runs them, as text that both databases take: PostgreSQL refuses
// U+0000 and what is not UTF-8, for ever, and with it all that is written beside it.

#include <cstddef>
#include <string>

namespace loadstone::jobs::internal {

// At most `bytes_max` of it, which end with a whole character.
std::string storable(const std::string& text, std::size_t bytes_max);

}  // namespace loadstone::jobs::internal
