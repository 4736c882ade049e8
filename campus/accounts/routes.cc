#include "campus/accounts/routes.h"

#include <fmt/core.h>

#include <utility>

#include "campus/accounts/commands.h"
#include "campus/accounts/password.h"
#include "campus/accounts/session.h"
#include "campus/accounts/sql.h"
#include "loadstone/admission/rate_limits.h"
#include "loadstone/base/error.h"
#include "loadstone/net/session_cookie.h"

namespace campus::accounts {

namespace sql {
BOOST_DESCRIBE_STRUCT(User, (), (id, name, email, created_at))
}

using namespace loadstone;

namespace {

constexpr std::size_t password_characters_min = 8;
constexpr std::size_t password_characters_max =
    256;  // argon2id's cost does not grow with it, parsing's does

struct Registration {
    std::string name, email, password;
};
BOOST_DESCRIBE_STRUCT(Registration, (), (name, email, password))

void validate(Check& check, const Registration& in) {
    check.line("name", in.name, 1, 200);
    check.email("email", in.email);
    check.length("password", in.password, password_characters_min, password_characters_max);
}

struct Registered {
    UserId id;
    std::string message;
};
BOOST_DESCRIBE_STRUCT(Registered, (), (id, message))

struct Login {
    std::string email, password;
};
BOOST_DESCRIBE_STRUCT(Login, (), (email, password))

void validate(Check& check, const Login& in) {
    check.length("email", in.email, 1, 254);
    check.length("password", in.password, 1, password_characters_max);
}

struct LoggedIn {
    UserId id;
};
BOOST_DESCRIBE_STRUCT(LoggedIn, (), (id))

Task<Reply<Registered, 201>> register_user(Context& context, const Request& request,
                                           Body<Registration> in) {
    NewSession session = new_session();
    NewAccount account;
    account.name = in->name;
    account.email = normalised_email(in->email);
    context.services().get<admission::RateLimits>().check_or_throw(
        "register.account", fmt::format("{} {}", account.email, request.network()), 10,
        std::chrono::minutes(15));
    account.password_hash = co_await hash_password(context, in->password);
    account.session_token_hash = session.token_hash;
    account.address = request.address();
    account.network = request.network();
    const UserId user = co_await context.write(create_account, account);
    if (context.idempotency() && context.idempotency()->replayed) {
        // The account is there from the first time, with a session whose token went with that
        // answer.
        auto key = std::exchange(context.idempotency(), std::nullopt);
        co_await context.write(start_session, user, session.token_hash, account.address);
        context.idempotency() = std::move(key);
    }
    Reply<Registered, 201> reply{{user, "Account created successfully"}};
    reply.headers.push_back(net::session_cookie(request, session.token, session_life));
    co_return reply;
}

Task<Reply<LoggedIn>> log_in(Context& context, const Request& request, Body<Login> in) {
    const std::string email = normalised_email(in->email);
    auto& limits = context.services().get<admission::RateLimits>();
    // From one address few, so that nobody guesses long; from all together more, so that a
    // stranger's wrong guesses do not keep the owner out.
    limits.check_or_throw("login.account.address", fmt::format("{} {}", email, request.network()),
                          10, std::chrono::minutes(15));
    limits.check_or_throw("login.account", email, 100, std::chrono::minutes(15));
    // From a browser that has seen nothing yet: an old password must not do any more.
    const auto credentials = co_await sql::credentials_by_email(context.reader(latest), email);
    const std::string hash = credentials ? credentials->password_hash : std::string();
    const bool right = co_await verify_password(context, in->password, hash);
    if (!right) throw Error(Errc::unauthenticated, "mail address or password is wrong");
    NewSession session = new_session();
    const std::string address(request.address());
    co_await context.write(start_session, credentials->id, session.token_hash, address);
    Reply<LoggedIn> reply{{credentials->id}};
    reply.headers.push_back(net::session_cookie(request, session.token, session_life));
    co_return reply;
}

Task<Response> log_out(Context& context, const Request& request) {
    const std::string address(request.address());
    co_await context.write(end_session, context.require_session(), address);
    Response response = net::no_content();
    response.headers.push_back(net::session_cookie(request, "", std::chrono::seconds(0)));
    co_return response;
}

Task<Reply<sql::User>> own_account(Context& context) {
    const UserId id(context.require_session().user);
    auto user = co_await sql::user_by_id(context.reader(), id);
    if (!user) throw Error(Errc::unauthenticated, "this account no longer exists");
    Reply<sql::User> reply{std::move(*user)};
    co_return reply;
}

}  // namespace

void routes(Routes& routes) {
    routes.post("/api/register", register_user)
        .summary_is("Create an account; the welcome mail follows")
        .open_to_all()
        .limit_per_address(20, std::chrono::seconds(60));
    routes.post("/api/login", log_in)
        .summary_is("Sign in")
        .open_to_all()
        .limit_per_address(30, std::chrono::seconds(60))
        .may_answer(401)
        .without_idempotency();  // each answer has a new session's token, which is not kept
    routes.post("/api/logout", log_out)
        .summary_is("Sign out")
        .body_max(net::unread_body_bytes_max)
        .without_idempotency();  // the session that would ask again is gone
    routes.get("/api/me", own_account).summary_is("The account that is signed in");
}

}  // namespace campus::accounts
