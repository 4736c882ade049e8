#pragma once
// notifications' own: reads.

#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace campus::notifications {

struct DeliveryRow {
    std::string idempotency_key, recipient, subject, state;
    int code = 0;
    std::string detail;
    loadstone::Timestamp recorded_at;
};
BOOST_DESCRIBE_STRUCT(DeliveryRow, (),
                      (idempotency_key, recipient, subject, state, code, detail, recorded_at))

// Newest first; `state` empty: all.
loadstone::Task<std::vector<DeliveryRow>> deliveries_in_state(loadstone::Reader reader,
                                                              std::string state, int limit);

}  // namespace campus::notifications
