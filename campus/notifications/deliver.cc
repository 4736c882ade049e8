#include <chrono>
#include <optional>
#include <utility>

#include "campus/notifications/commands.h"
#include "campus/notifications/notifications.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/outbound/mail.h"
#include "loadstone/runtime/loops.h"

namespace campus::notifications {

using namespace loadstone;
using outbound::MailOutcome;

namespace {

constexpr std::chrono::milliseconds record_again_after{200};

std::string state_of(MailOutcome outcome) {
    switch (outcome) {
        case MailOutcome::sent: return "sent";
        case MailOutcome::rejected: return "bounced";
        case MailOutcome::unknown: return "unknown";
        case MailOutcome::deferred: break;
    }
    LOADSTONE_ASSERT(false, "a deferred mail is put off, not recorded");
}

// Nothing once it is recorded, and else why not.
Task<std::optional<Error>> record_failure(Context& context, const jobs::Lease& lease,
                                          const Delivery& delivery) {
    std::optional<Error> refused;
    try {
        co_await context.write(record_delivery, lease, delivery);
    } catch (const Error& error) {
        refused = error;
    }
    co_return refused;
}

}  // namespace

jobs::Limit per_provider() {
    jobs::Limit limit;
    limit.name = outbound::provider_limit;  // its numbers are settings
    return limit;
}

Task<void> deliver(Context& context, const jobs::Lease& lease, const std::string& idempotency_key,
                   Letter letter) {
    outbound::Mailer& mailer = context.services().get<outbound::Mailer>();
    outbound::MailMessage message;
    message.from = mailer.sender();
    message.to.name = std::move(letter.to_name);
    message.to.address = std::move(letter.to_address);
    message.subject = std::move(letter.subject);
    message.text = std::move(letter.text);
    message.html = std::move(letter.html);
    const auto at = message.from.address.rfind('@');
    message.message_id = "<" + idempotency_key + "@" + message.from.address.substr(at + 1) + ">";

    const outbound::MailResult result = co_await mailer.send(context, message);
    if (result.outcome == MailOutcome::deferred) {
        // A mailbox that never takes it uses up the job's attempts; an outage does not.
        throw Error(result.of_mail ? Errc::resource_exhausted : Errc::unavailable,
                    "mail put off: " + result.detail);
    }
    if (result.outcome == MailOutcome::unknown && mailer.resends_unknown())
        throw Error(Errc::resource_exhausted, "sent again: " + result.detail);
    // The mail may be out: if that is not recorded, it is sent again.
    context.shield(jobs::recording_grace);
    Delivery delivery;
    delivery.idempotency_key = idempotency_key;
    delivery.recipient = message.to.address;
    delivery.subject = message.subject;
    delivery.state = state_of(result.outcome);
    delivery.code = result.code;
    delivery.detail = result.detail;
    if (result.outcome != MailOutcome::sent) {
        log::warning("mail not known to be delivered", {{"state", delivery.state},
                                                        {"code", delivery.code},
                                                        {"detail", delivery.detail},
                                                        {"job", lease.job}});
    }
    for (;;) {
        const auto refused = co_await record_failure(context, lease, delivery);
        if (!refused) co_return;
        if (refused->code() != Errc::unavailable || context.deadline().passed())
            throw Error(*refused);
        const Deadline next = Deadline::in(record_again_after);
        co_await runtime::sleep_until(next);
    }
}

}  // namespace campus::notifications
