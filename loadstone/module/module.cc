#include "loadstone/module/module.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "loadstone/base/error.h"

namespace loadstone::module {

std::vector<Module> in_dependency_order(std::vector<Module> modules) {
    std::sort(modules.begin(), modules.end(),
              [](const Module& a, const Module& b) { return a.name < b.name; });
    std::set<std::string> names;
    for (const Module& module : modules) {
        if (!names.insert(module.name).second) {
            throw Error(Errc::invalid_argument,
                        fmt::format("two modules are called {}", module.name));
        }
    }
    for (const Module& module : modules) {
        for (const std::string& needed : module.depends_on) {
            if (!names.contains(needed)) {
                throw Error(Errc::invalid_argument,
                            fmt::format("module {} depends on {}, which is not part of the program",
                                        module.name, needed));
            }
        }
    }
    std::vector<Module> ordered;
    std::set<std::string> placed;
    while (!modules.empty()) {
        const auto ready = std::find_if(modules.begin(), modules.end(), [&](const Module& module) {
            return std::all_of(module.depends_on.begin(), module.depends_on.end(),
                               [&](const std::string& needed) { return placed.contains(needed); });
        });
        if (ready == modules.end()) {
            std::string cycle;
            for (const Module& module : modules) cycle += (cycle.empty() ? "" : ", ") + module.name;
            throw Error(Errc::invalid_argument,
                        "modules depend on each other in a circle: " + cycle);
        }
        placed.insert(ready->name);
        ordered.push_back(std::move(*ready));
        modules.erase(ready);
    }
    return ordered;
}

}  // namespace loadstone::module
