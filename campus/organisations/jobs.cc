#include "campus/organisations/jobs.h"

#include <fmt/core.h>

#include <utility>

#include "campus/notifications/notifications.h"
#include "campus/organisations/commands.h"
#include "campus/organisations/sql.h"
#include "loadstone/base/random.h"
#include "loadstone/module/site.h"

namespace campus::organisations {

using namespace loadstone;

namespace {

// The token is drawn here, so that it stands in the mail and nowhere else: not among the jobs, and
// in the table as its hash. Another attempt draws another one.
Task<void> send_invitation(Context& context, Job<SendInvitation> job) {
    const auto invitation = co_await sql::invitation_by_id(context.reader(), job->invitation);
    if (!invitation || invitation->expires_at <= Timestamp::now()) co_return;
    // Invited again meanwhile: the mail of that tells.
    if (job->expires_us != 0 && job->expires_us != invitation->expires_at.micros) co_return;
    const auto organisation =
        co_await sql::organisation_by_id(context.reader(), invitation->organisation_id);
    if (!organisation) co_return;
    const std::string token = secret_token(32);
    const std::string hash = accounts::token_hash(token);
    co_await context.write(set_token, invitation->id, hash);
    const std::string& site = context.services().get<module::Site>().url;
    notifications::Letter letter;
    letter.to_name = invitation->email;
    letter.to_address = invitation->email;
    letter.subject = fmt::format("Invitation to {}", organisation->name);
    letter.text = fmt::format(
        "Hello,\n\n{} invites you to Campus, as {}. Sign in or register at {}, then accept with "
        "this code:\n\n{}\n\nIt holds for 14 days and for one account. If you do not know them, "
        "there is nothing to do.\n\nCampus\n",
        organisation->name, invitation->role, site, token);
    co_await notifications::deliver(context, job.lease(), job.idempotency_key(), std::move(letter));
}

}  // namespace

void jobs(Handlers& handlers) {
    handlers.handle(send_invitation)
        .attempts(120)
        .timeout(std::chrono::seconds(90))
        .tenant(&SendInvitation::organisation)
        .limit(notifications::per_provider(), &SendInvitation::provider);
}

}  // namespace campus::organisations
