#include "campus/accounts/commands.h"

#include <utility>

#include "campus/accounts/session.h"
#include "campus/accounts/sql.h"
#include "campus/audit/audit.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/mail.h"

namespace campus::accounts {

using namespace loadstone;

namespace {

constexpr int sessions_max = 50;  // of an account; a sign-in beyond ends the oldest

Task<UserId> insert_user(Tx& tx, const NewAccount& account) {
    const Timestamp now = Timestamp::now();
    try {
        co_return co_await sql::insert_user(tx, account.name, account.email, account.password_hash,
                                            now);
    } catch (const Error& error) {
        if (error.code() != Errc::already_exists) throw;
    }
    throw Error(Errc::already_exists, "an account with this mail address exists")
        .with_field("email");
}

Task<void> insert_session(Tx& tx, UserId user, const std::string& token_hash) {
    const Timestamp now = Timestamp::now();
    const Timestamp end = now + session_life;
    co_await sql::delete_expired_sessions(tx, now);
    co_await sql::insert_session(tx, user, token_hash, now, end);
}

audit::Event event(UserId user, std::string action, std::string detail, std::string address) {
    return {user.value, std::move(action), std::move(detail), std::move(address)};
}

}  // namespace

Task<UserId> create_account(Tx& tx, NewAccount account) {
    const UserId user = co_await insert_user(tx, account);
    co_await insert_session(tx, user, account.session_token_hash);
    audit::Event created =
        event(user, "account.created", "the account was created", account.address);
    co_await audit::append(tx, std::move(created));
    const SendWelcomeEmail welcome{user, account.network, outbound::provider_of(account.email)};
    co_await tx.enqueue(welcome);
    co_return user;
}

Task<void> start_session(Tx& tx, UserId user, std::string token_hash, std::string address) {
    co_await sql::delete_surplus_sessions(tx, user, sessions_max - 1);
    co_await insert_session(tx, user, token_hash);
    audit::Event started = event(user, "session.started", "signed in", std::move(address));
    co_await audit::append(tx, std::move(started));
}

Task<void> end_session(Tx& tx, runtime::Session session, std::string address) {
    co_await sql::delete_session(tx, session.id);
    audit::Event ended =
        event(UserId(session.user), "session.ended", "signed out", std::move(address));
    co_await audit::append(tx, std::move(ended));
}

}  // namespace campus::accounts
