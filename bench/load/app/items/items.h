#pragma once
// The routes of bench/mixes.sh: a shop's items.

#include "loadstone/module/module.h"

namespace items {

loadstone::Module module();

}  // namespace items
