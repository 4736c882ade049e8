#include "campus/accounts/queries.h"

#include "campus/accounts/sql.h"

namespace campus::accounts {

using namespace loadstone;

Task<std::optional<Recipient>> recipient(Reader reader, UserId user) {
    return sql::recipient(reader, user);
}

Task<std::vector<Person>> people(Reader reader, std::vector<UserId> users) {
    co_return co_await sql::people(reader, users);
}

Task<std::optional<UserId>> user_of_address(Reader reader, std::string address) {
    const std::string email = normalised_email(address);
    const auto found = co_await sql::credentials_by_email(reader, email);
    if (!found) co_return std::nullopt;
    co_return found->id;
}

Task<std::optional<runtime::Session>> live_session(Reader reader, std::string token_hash) {
    const Timestamp now = Timestamp::now();
    const auto row = co_await sql::live_session(reader, token_hash, now);
    if (!row) co_return std::nullopt;
    co_return runtime::Session{row->id, row->user_id.value};
}

}  // namespace campus::accounts
