#pragma once
// audit's own: reads.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace campus::audit {

struct Entry {
    std::int64_t id = 0;
    std::string action, detail, address;
    loadstone::Timestamp happened_at;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (id, action, detail, address, happened_at))

// Newest first, ids below `before`.
loadstone::Task<std::vector<Entry>> entries_of_user(loadstone::Reader reader, std::int64_t user,
                                                    std::int64_t before, int limit);

}  // namespace campus::audit
