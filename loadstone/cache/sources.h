#pragma once
// Sources: what the views of one or more modules read: the accesses of their modules' statements
// (generated: sql_accesses.h) and the tables that are watched for them.

#include <vector>

#include "loadstone/cache/tags.h"

namespace loadstone::cache {

struct Sources {
    std::vector<store::Access> accesses;
    std::vector<Watch> watched;

    void add(const Sources& other) {
        accesses.insert(accesses.end(), other.accesses.begin(), other.accesses.end());
        watched.insert(watched.end(), other.watched.begin(), other.watched.end());
    }
};

}  // namespace loadstone::cache
