#pragma once
// notifications' own: writes.

#include <string>

#include "loadstone/jobs/job.h"
#include "loadstone/module/module.h"

namespace campus::notifications {

struct Delivery {
    std::string idempotency_key, recipient, subject;
    std::string state;  // "sent", "bounced", "unknown"
    int code = 0;       // the mail server's last reply
    std::string detail;
};

// Records the delivery and completes its job, or neither.
loadstone::Task<void> record_delivery(loadstone::Tx& tx, loadstone::jobs::Lease lease,
                                      Delivery delivery);

}  // namespace campus::notifications
