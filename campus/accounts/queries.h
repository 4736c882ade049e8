#pragma once
// accounts' own: reads.

#include <optional>
#include <string>

#include "campus/accounts/accounts.h"

namespace campus::accounts {

struct User {
    UserId id;
    std::string name, email;
    loadstone::Timestamp created_at;
};
BOOST_DESCRIBE_STRUCT(User, (), (id, name, email, created_at))

struct Credentials {
    UserId id;
    std::string password_hash;
};
BOOST_DESCRIBE_STRUCT(Credentials, (), (id, password_hash))

loadstone::Task<std::optional<User>> user_by_id(loadstone::Reader reader, UserId id);
loadstone::Task<std::optional<Credentials>> credentials_by_email(loadstone::Reader reader,
                                                                 std::string email);
loadstone::Task<std::optional<loadstone::runtime::Session>> live_session(loadstone::Reader reader,
                                                                         std::string token_hash);

}  // namespace campus::accounts
