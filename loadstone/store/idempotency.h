#pragma once
// Idempotency: what context.write() does under the client's Idempotency-Key.
//
// A write is identified by the key (scoped to who sent it, and hashed) and its number among the
// writes of the request. Its result is recorded in loadstone_idempotency in the transaction of its
// effect, so that both exist or neither. A later request with the key and the same fingerprint
// gets the recorded result, and the body does not run; one with another fingerprint is an
// invalid_argument of the field "Idempotency-Key". Of two at the same time, the second gets
// conflict ("in progress") if it comes to the same process; across processes the primary key
// decides, and the loser gives the winner's result. A write that fails records nothing: it may be
// tried again.
//
// A result is stored as the JSON of what the command returns: a command that may run under a key
// returns no secrets (tokens are made before it and hashed in it).
//
// Records are kept for `idempotency_kept`; then a key means a new request. Somebody who runs
// regularly calls prune_idempotency until it returns less than `prune_max`.

#include <chrono>
#include <cstdint>

#include "loadstone/base/timestamp.h"
#include "loadstone/store/tx.h"

namespace loadstone::store {

inline constexpr std::chrono::hours idempotency_kept{24};

inline constexpr std::int64_t prune_max = 1'000;  // a call, so that no transaction is long

// Deletes records made before `older_than`; returns how many.
Task<std::uint64_t> prune_idempotency(Tx& tx, Timestamp older_than);

}  // namespace loadstone::store
