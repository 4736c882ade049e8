#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/cache/cache.h"
#include "loadstone/jobs/declaration.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/server/internal/shares.h"
#include "loadstone/server/internal/system_routes.h"
#include "loadstone/server/server.h"
#include "loadstone/store/sql.h"

namespace loadstone::server {

jobs::Declarations jobs_of(const std::vector<Module>& modules, const Config& config) {
    jobs::Declarations declared;
    for (const Module& module : modules) {
        if (module.jobs == nullptr) continue;
        Handlers handlers(module.name, declared);
        module.jobs(handlers);
    }
    for (const auto& kind : declared.kinds) {
        for (jobs::KindLimit& each : kind->limits) {
            if (each.limit.name != outbound::provider_limit) continue;
            each.limit.per_second = config.mail.provider_rate_max;
            each.limit.burst = config.mail.provider_burst_max;
        }
    }
    jobs::set_bounds(declared, config.jobs_bounds);
    return declared;
}

std::vector<analytics::FactTable> facts_of(const std::vector<Module>& modules) {
    std::vector<analytics::FactTable> tables;
    for (const Module& module : modules) {
        if (module.facts == nullptr) continue;
        Facts of_module(module.name, tables);
        module.facts(of_module);
    }
    return tables;
}

cache::Sources views_of(const std::vector<Module>& modules) {
    cache::Sources all;
    for (const Module& module : modules) {
        if (module.views == nullptr) continue;
        Views of_module(module.name, all);
        module.views(of_module);
    }
    return all;
}

std::vector<store::ModuleMigrations> migrations_of(const std::vector<Module>& modules) {
    std::vector<store::ModuleMigrations> all;
    all.push_back({"loadstone", store::sql::migrations});
    all.push_back({"loadstone_jobs", jobs::sql::migrations});
    all.push_back({"loadstone_cache", cache::migrations()});
    all.push_back({"loadstone_analytics", analytics::sql::migrations});
    for (const Module& module : modules) {
        if (!module.migrations.empty()) all.push_back({module.name, module.migrations});
    }
    return all;
}

std::vector<std::unique_ptr<net::Route>> routes_of(const std::vector<Module>& modules) {
    std::vector<std::unique_ptr<net::Route>> routes;
    Routes own("loadstone", routes);
    internal::system_routes(own);
    for (const Module& module : modules) {
        if (module.routes == nullptr) continue;
        Routes of_module(module.name, routes);
        module.routes(of_module);
    }
    return routes;
}

std::vector<store::ModuleShare> internal::shares_of(const std::vector<Module>& modules,
                                                    const Config& config) {
    std::vector<store::ModuleShare> shares;
    for (const Module& module : modules)
        if (modules.size() > 1 || module.budget.connections)
            shares.push_back({module.name, module.budget.connections.value_or(config.share)});
    for (const store::ModuleShare& given : config.shares) {
        const bool is_known =
            std::ranges::find(modules, given.module, &Module::name) != modules.end();
        if (!is_known)
            throw Error(Errc::invalid_argument,
                        fmt::format("store.shares: there is no module {}", given.module));
        std::erase_if(shares, [&](const auto& each) { return each.module == given.module; });
        shares.push_back(given);
    }
    return shares;
}

}  // namespace loadstone::server
