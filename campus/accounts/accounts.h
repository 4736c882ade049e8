#pragma once
// accounts: people, their passwords and their sessions.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::accounts {

loadstone::Module module();

struct UserTag {};
using UserId = loadstone::Id<UserTag>;

// Whom mail is for.
struct Recipient {
    std::string name, email;
};
BOOST_DESCRIBE_STRUCT(Recipient, (), (name, email))
loadstone::Task<std::optional<Recipient>> recipient(loadstone::Reader reader, UserId user);

// Those of `users` that there are, by id.
struct Person {
    UserId id;
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Person, (), (id, name))
loadstone::Task<std::vector<Person>> people(loadstone::Reader reader, std::vector<UserId> users);

// Who registered with this address, whatever the case of its letters.
loadstone::Task<std::optional<UserId>> user_of_address(loadstone::Reader reader,
                                                       std::string address);
// The form under which an address is unique: ASCII letters in lower case. Mail is sent to this
// form too; no mail provider in use tells a local part's letters apart by case.
std::string normalised_email(std::string_view address);

// SHA-256 in hexadecimal: what is kept of a secret_token() that somebody shows again.
std::string token_hash(std::string_view token);

// The job that greets a new user by mail. Its tenant is the network that registered the account:
// who registers thousands has no other name yet.
struct SendWelcomeEmail {
    UserId user;
    std::string network, provider;
};
BOOST_DESCRIBE_STRUCT(SendWelcomeEmail, (), (user, network, provider))

// What `campus seed` makes; its people cannot be mailed (RFC 2606: .example).
struct SeededUser {
    std::string name, email;  // normalised, each once
    loadstone::Timestamp created_at;
};
BOOST_DESCRIBE_STRUCT(SeededUser, (), (name, email, created_at))
// All with one password's hash. Gives their ids in this order. Errc::already_exists.
loadstone::Task<std::vector<UserId>> seed_users(loadstone::Tx& tx, std::vector<SeededUser> users,
                                                std::string password_hash);
struct SeededSession {
    UserId user_id;
    loadstone::Timestamp created_at, expires_at;
};
// Their tokens are drawn and forgotten.
loadstone::Task<void> seed_sessions(loadstone::Tx& tx, std::vector<SeededSession> sessions);
// The greatest id of a user there is; 0: nobody has registered.
loadstone::Task<std::int64_t> newest_user(loadstone::Reader reader);
// As hash_password() of password.h, on this thread: for commands.
std::string hash_for_seed(const std::string& password);

}  // namespace campus::accounts
