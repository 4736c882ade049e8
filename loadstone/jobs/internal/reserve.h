#pragma once
// Reserve: the places that a queue leaves free for those beside it. Pure.

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace loadstone::jobs::internal {

struct Reserved {
    std::size_t process = 0;  // of the process's places
    std::size_t module = 0;   // of its module's
};

// One place for each other queue of which nothing runs, a quarter of all places at most. Queues by
// number: the module of each, and how many of its jobs run.
inline Reserved reserved_beside(std::size_t queue, const std::vector<std::string>& modules,
                                const std::vector<std::size_t>& running, std::size_t places_max,
                                std::size_t module_max) {
    Reserved reserved;
    for (std::size_t i = 0; i < modules.size(); ++i) {
        if (i == queue || running[i] > 0) continue;
        ++reserved.process;
        if (modules[i] == modules[queue]) ++reserved.module;
    }
    reserved.process = std::min(reserved.process, places_max / 4);
    reserved.module = std::min(reserved.module, module_max / 4);
    return reserved;
}

// Of `free` places, those that a queue may take that leaves `reserved` of them. One of which
// nothing runs may have the last: it is one of those for which it is reserved.
inline std::size_t beside_reserved(std::size_t free, std::size_t reserved, bool is_idle) {
    const std::size_t left = free - std::min(free, reserved);
    return is_idle && left == 0 ? std::min<std::size_t>(free, 1) : left;
}

}  // namespace loadstone::jobs::internal
