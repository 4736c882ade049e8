#pragma once
// The route of bench/cache.sh: how far the learners of a course have come, from a view.

#include "loadstone/module/module.h"

namespace reach {

loadstone::Module module();

}  // namespace reach
