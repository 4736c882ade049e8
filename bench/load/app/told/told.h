#pragma once
// The routes of bench/analytics.sh: a write with its fact, and the same without.

#include "loadstone/module/module.h"

namespace told {

loadstone::Module module();

}  // namespace told
