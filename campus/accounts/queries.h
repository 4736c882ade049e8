#pragma once
// accounts' own: reads.

#include <optional>
#include <string>

#include "campus/accounts/accounts.h"

namespace campus::accounts {

loadstone::Task<std::optional<loadstone::runtime::Session>> live_session(loadstone::Reader reader,
                                                                         std::string token_hash);

}  // namespace campus::accounts
