#include <unordered_map>
#include <utility>

#include "campus/accounts/accounts.h"
#include "campus/accounts/password.h"
#include "campus/accounts/session.h"
#include "campus/accounts/sql.h"

namespace campus::accounts {

using namespace loadstone;

Task<std::vector<UserId>> seed_users(Tx& tx, std::vector<SeededUser> users,
                                     std::string password_hash) {
    const auto rows = co_await sql::seed_users(tx, users, password_hash);
    std::unordered_map<std::string, UserId> by_email;
    for (const sql::SeededId& row : rows) by_email[row.email] = row.id;
    std::vector<UserId> ids;
    for (const SeededUser& user : users) ids.push_back(by_email.at(user.email));
    co_return ids;
}

Task<void> seed_sessions(Tx& tx, std::vector<SeededSession> sessions) {
    std::vector<sql::SeedSessionsSessions> rows;
    for (const SeededSession& session : sessions) {
        sql::SeedSessionsSessions& row = rows.emplace_back();
        row.user_id = session.user_id;
        row.token_hash = new_session().token_hash;
        row.created_at = session.created_at;
        row.expires_at = session.expires_at;
    }
    co_await sql::seed_sessions(tx, rows);
}

Task<std::int64_t> newest_user(Reader reader) { return sql::newest_user(reader); }

std::string hash_for_seed(const std::string& password) { return hash_password_here(password); }

}  // namespace campus::accounts
