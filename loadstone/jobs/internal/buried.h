#pragma once
// Dead letters, told to who has asked for it (Handlers::on_buried).

#include <vector>

#include "loadstone/jobs/internal/records.h"

namespace loadstone::jobs::internal {

// In the transaction that buries them, for each a job with its arguments.
Task<void> tell_buried(Tx& tx, const std::vector<StoredJob>& buried);

}  // namespace loadstone::jobs::internal
