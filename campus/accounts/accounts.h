#pragma once
// accounts: people, their passwords and their sessions.

#include <optional>
#include <string>
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

// The job that greets a new user by mail. Its tenant is the network that registered the account:
// who registers thousands has no other name yet.
struct SendWelcomeEmail {
    UserId user;
    std::string network, provider;
};
BOOST_DESCRIBE_STRUCT(SendWelcomeEmail, (), (user, network, provider))

}  // namespace campus::accounts
