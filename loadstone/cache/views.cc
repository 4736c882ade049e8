#include "loadstone/cache/views.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/cache/aggregate.h"

namespace loadstone::cache {

void Views::statements(std::span<const store::Access> accesses) {
    all_->accesses.insert(all_->accesses.end(), accesses.begin(), accesses.end());
}

void Views::add(const Aggregate& aggregate) {
    add_name(aggregate.name);
    all_->aggregates.push_back(&aggregate);
}

void Views::add_name(const std::string& name) {
    if (!name.starts_with(module_ + "."))
        throw Error(Errc::invalid_argument,
                    fmt::format("view {} of module {}: its name begins with \"{}.\"", name, module_,
                                module_));
    if (std::ranges::find(all_->names, name) != all_->names.end())
        throw Error(Errc::invalid_argument,
                    fmt::format("view {} of module {} is declared twice", name, module_));
    all_->names.push_back(name);
}

}  // namespace loadstone::cache
