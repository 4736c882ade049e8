#pragma once
// accounts' own: writes. Each is one transaction.

#include <string>

#include "campus/accounts/accounts.h"

namespace campus::accounts {

struct NewAccount {
    std::string name, email, password_hash;
    std::string session_token_hash;
    std::string address;  // of the client, for the audit log
    std::string network;  // what of it limits count
};

// User, session, audit event and welcome mail, or nothing. Errc::already_exists if the address is
// taken.
loadstone::Task<UserId> create_account(loadstone::Tx& tx, NewAccount account);
loadstone::Task<void> start_session(loadstone::Tx& tx, UserId user, std::string token_hash,
                                    std::string address);
loadstone::Task<void> end_session(loadstone::Tx& tx, loadstone::runtime::Session session,
                                  std::string address);

}  // namespace campus::accounts
