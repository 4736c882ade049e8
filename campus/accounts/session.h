#pragma once
// Sessions: a random token in the browser's cookie, its SHA-256 in the database.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "campus/accounts/accounts.h"

namespace campus::accounts {

inline constexpr std::chrono::hours session_life{24 * 30};

struct NewSession {
    std::string token;       // for the cookie
    std::string token_hash;  // for the database
};

NewSession new_session();

// The server's SessionResolver.
loadstone::Task<std::optional<loadstone::runtime::Session>> session_of_token(
    loadstone::Context& context, std::string_view token);

}  // namespace campus::accounts
