#pragma once
// as_of: how fresh what is shown from views is, to be said beside it.

#include "loadstone/base/timestamp.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"

namespace loadstone::cache {

// All that was committed by then, by whichever process, is shown by what the context reads after
// this: views, aggregates and its own reads of what is no older than its session has seen. At most
// a second ago: if nobody has asked for so long the database is asked. Where it is away and the
// context may be given what is older: now, and the context is marked stale by what has passed since
// the last time. Errors: of the database.
Task<Timestamp> as_of(Context& context);

}  // namespace loadstone::cache
