#pragma once
// libpq's objects with owners.

#include <libpq-fe.h>

#include <memory>

namespace loadstone::store::postgres {

struct CloseConnection {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
using ConnectionHandle = std::unique_ptr<PGconn, CloseConnection>;

struct ClearResult {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, ClearResult>;

struct FreeCancel {
    void operator()(PGcancel* cancel) const noexcept { PQfreeCancel(cancel); }
};

}  // namespace loadstone::store::postgres
