#pragma once
// SmtpMailer: the engine behind a bounded queue, the provider's rate and its breaker.

#include <memory>

#include "loadstone/outbound/internal/smtp_url.h"
#include "loadstone/outbound/mail.h"

namespace loadstone::outbound::internal {

std::unique_ptr<Mailer> make_smtp_mailer(const MailOptions& options, const SmtpServer& server,
                                         Mailbox sender, telemetry::Registry& registry);

}  // namespace loadstone::outbound::internal
