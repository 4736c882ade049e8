#pragma once
// seed: makes data as of a year of use, for measurements and demonstrations: `campus seed`. It has
// no tables: each module writes its own. What it makes depends on the options alone, but for the
// password and the tokens of sessions, which nobody could foresee.

#include "loadstone/module/module.h"

namespace campus::seed {

loadstone::Module module();

}  // namespace campus::seed
