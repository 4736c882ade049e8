#pragma once
// notifications: mail to people. Other modules call deliver() in a job handler; what became of
// each mail stands in `deliveries`, one row for one job's idempotency key.

#include <string>

#include "loadstone/jobs/job.h"
#include "loadstone/jobs/limit.h"
#include "loadstone/module/module.h"

namespace campus::notifications {

loadstone::Module module();

struct Letter {
    std::string to_name, to_address;
    std::string subject;
    std::string text;
    std::string html;
};

// Every kind of job that sends a letter declares this limit by the provider of whom the letter is
// for (outbound::provider_of), and as its tenant whoever caused the letter. So a provider that
// takes few mails holds up no mail to another, and whoever causes thousands holds up nobody else's.
//
//     handlers.handle(send_welcome_email)
//         .tenant(&SendWelcomeEmail::network)
//         .limit(notifications::per_provider(), &SendWelcomeEmail::provider);
loadstone::jobs::Limit per_provider();

// Sends the letter of this job and completes the job in the transaction that records the delivery.
// Returns when the mail was taken, bounced or its outcome is unknown (recorded, not sent again).
// Throws unavailable when the mail server is away or held back: the job is put off. Throws
// resource_exhausted when it deferred this very mail: that counts as an attempt.
loadstone::Task<void> deliver(loadstone::Context& context, const loadstone::jobs::Lease& lease,
                              const std::string& idempotency_key, Letter letter);

}  // namespace campus::notifications
