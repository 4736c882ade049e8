#pragma once
// audit's own: reads.

#include <cstdint>
#include <vector>

#include "campus/audit/audit.h"

namespace campus::audit {

// Newest first, ids below `before`.
loadstone::Task<std::vector<Entry>> entries_of_user(loadstone::Reader reader, std::int64_t user,
                                                    std::int64_t before, int limit);

}  // namespace campus::audit
