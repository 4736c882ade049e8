#pragma once
// Sources: what the modules of a program declare of derived data, together (views.h).

#include <string>
#include <vector>

#include "loadstone/cache/tags.h"

namespace loadstone::cache {

struct Aggregate;

struct Sources {
    std::vector<store::Access> accesses;
    std::vector<Watch> watched;
    std::vector<const Aggregate*> aggregates;
    std::vector<std::string> names;  // of views and aggregates
};

}  // namespace loadstone::cache
