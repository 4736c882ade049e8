#pragma once
// What most of bench/load measures: a row read, a row written with a job, and jobs by themselves.

#include "loadstone/module/module.h"

namespace rows {

loadstone::Module module();

}  // namespace rows
