#pragma once
// Another module, which the shop knows nothing of: it hears of what happens there.

#include "loadstone/module/module.h"

namespace ledger {

loadstone::Module module();

}  // namespace ledger
