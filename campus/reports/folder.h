#pragma once

#include <string>

#include "loadstone/module/site.h"
#include "loadstone/runtime/context.h"

namespace campus::reports {

// Where the files of reports are.
inline std::string folder_of(const loadstone::Context& context) {
    return context.services().get<loadstone::module::Site>().files + "/reports";
}

}  // namespace campus::reports
