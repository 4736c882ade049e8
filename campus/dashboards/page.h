#pragma once
// dashboards' own: the page /dashboards and its files, which are part of the program (tools/web).

#include <span>
#include <string_view>

#include "loadstone/module/module.h"

namespace campus::dashboards {

struct Asset {
    std::string_view name, text;
};
extern const std::span<const Asset> assets;  // cmake/web.cmake

void page_routes(loadstone::Routes& routes);

}  // namespace campus::dashboards
