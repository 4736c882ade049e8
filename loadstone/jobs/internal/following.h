#pragma once
// Following: jobs that were enqueued after others that were there already (EnqueueOptions::after).
//
// The enqueue leaves a row (loadstone_follows) and touches no other job: whoever records that one's
// end never waits for the application's transaction. A runner that finds such a row notes the job
// that waits with the one that it waits for, where that waits too; from then on its end is told as
// in a workflow (ends.h). While that one runs the row stays, and is looked at again.

#include <cstdint>

#include "loadstone/store/reader.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs::internal {

// Whether there is anything to follow.
Task<bool> has_follows(Reader reader);
// Gives how many jobs became ready or were dropped. All that it reads is of one moment.
Task<std::int64_t> follow(Tx& tx);

}  // namespace loadstone::jobs::internal
