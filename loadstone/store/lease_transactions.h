#pragma once
// LeaseTransactions: a mark among the services of a context. Its transactions keep the process
// alive in the eyes of the others, and on PostgreSQL have a connection beside the pool's, so that
// no number of other transactions holds them up: one at a time, more wait with all others. On
// SQLite it changes nothing. For the runner alone; requests and jobs are given services without it.

namespace loadstone::store {

struct LeaseTransactions {};

}  // namespace loadstone::store
