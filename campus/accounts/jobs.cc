#include "campus/accounts/jobs.h"

#include <fmt/core.h>

#include <utility>

#include "campus/accounts/accounts.h"
#include "campus/accounts/sql.h"
#include "campus/notifications/notifications.h"
#include "loadstone/base/error.h"

namespace campus::accounts {

using namespace loadstone;

namespace {

std::string html_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            default: out += c;
        }
    }
    return out;
}

// Whoever registered chose the name, and nobody has confirmed the address yet: what a mail program
// could show as a link or an address is not sent to it.
bool may_be_linked(std::string_view name) {
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (std::string_view("/\\@:<>").find(name[i]) != std::string_view::npos) return true;
        if (name[i] == '.' && i + 1 < name.size() && name[i + 1] != ' ') return true;
    }
    return false;
}

notifications::Letter welcome_letter(sql::User user) {
    if (may_be_linked(user.name)) user.name = "new user";
    notifications::Letter letter;
    letter.to_name = user.name;
    letter.to_address = user.email;
    letter.subject = fmt::format("Welcome to Campus, {}", user.name);
    letter.text = fmt::format(
        "Hello {},\n\nyour account at Campus has been created. You sign in with {}.\n\nCampus\n",
        user.name, user.email);
    letter.html = fmt::format(
        "<p>Hello {},</p><p>your account at Campus has been created. You sign in with "
        "<b>{}</b>.</p><p>Campus</p>",
        html_escaped(user.name), html_escaped(user.email));
    return letter;
}

Task<void> send_welcome_email(Context& context, Job<SendWelcomeEmail> job) {
    const auto user = co_await sql::user_by_id(context.reader(), job->user);
    if (!user) {
        throw Error(
            Errc::not_found,
            fmt::format("user {} does not exist, so no welcome mail is sent", job->user.value));
    }
    notifications::Letter letter = welcome_letter(*user);
    co_await notifications::deliver(context, job.lease(), job.idempotency_key(), std::move(letter));
}

}  // namespace

void jobs(Handlers& handlers) {
    // A mailbox that defers has 4 to 5 days to take it, as mail servers give each other.
    handlers.handle(send_welcome_email)
        .attempts(120)
        .timeout(std::chrono::seconds(90))
        .bury_on({Errc::not_found})  // who has left meanwhile
        .tenant(&SendWelcomeEmail::network)
        .limit(notifications::per_provider(), &SendWelcomeEmail::provider);
}

}  // namespace campus::accounts
