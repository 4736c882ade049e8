#include "campus/accounts/queries.h"

#include "campus/accounts/sql.h"

namespace campus::accounts {

using namespace loadstone;

namespace {

struct SessionRow {
    std::int64_t id = 0, user_id = 0;
};
BOOST_DESCRIBE_STRUCT(SessionRow, (), (id, user_id))

}  // namespace

Task<std::optional<User>> user_by_id(Reader reader, UserId id) {
    co_return co_await reader.maybe<User>(sql::user_by_id, id);
}

Task<std::optional<Recipient>> recipient(Reader reader, UserId user) {
    co_return co_await reader.maybe<Recipient>(sql::recipient, user);
}

Task<std::optional<Recipient>> recipient(Tx& tx, UserId user) {
    co_return co_await tx.maybe<Recipient>(sql::recipient, user);
}

Task<std::optional<Credentials>> credentials_by_email(Reader reader, std::string email) {
    co_return co_await reader.maybe<Credentials>(sql::credentials_by_email, email);
}

Task<std::optional<runtime::Session>> live_session(Reader reader, std::string token_hash) {
    const Timestamp now = Timestamp::now();
    const auto row = co_await reader.maybe<SessionRow>(sql::live_session, token_hash, now);
    if (!row) co_return std::nullopt;
    co_return runtime::Session{row->id, row->user_id};
}

}  // namespace campus::accounts
