#pragma once
// libpq's objects with owners.

#include <libpq-fe.h>

#include <memory>

#include "loadstone/store/postgres/internal/connection_budget.h"

namespace loadstone::store::postgres {

struct CloseConnection {
    void operator()(PGconn* connection) noexcept {
        PQfinish(connection);
        slot.give_back();
    }
    ConnectionBudget::Slot slot{};  // that it holds
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
