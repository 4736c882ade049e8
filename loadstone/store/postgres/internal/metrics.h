#pragma once
// Metrics: what the PostgreSQL backend counts, and the account of one statement.

#include "loadstone/runtime/context.h"
#include "loadstone/store/postgres/internal/operation.h"
#include "loadstone/store/statement_statistics.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::postgres {

class PlanSampler;

struct Metrics {
    Metrics(telemetry::Registry& metrics, StatementStatistics& of_statements);

    telemetry::Registry& registry;
    StatementStatistics& statistics;
    PlanSampler* sampler = nullptr;  // null: plans are not sampled
    telemetry::Counter& connections_lost;
    telemetry::Counter& reads_again;
    telemetry::Counter& reads_refused;
    telemetry::Counter& retries_conflict;
    telemetry::Counter& retries_lost;
    telemetry::Counter& commits_unknown;
    telemetry::Counter& foreign_waits;
    telemetry::Counter& transaction_waits;

    telemetry::LabelIndex label_of(const Operation& operation);
};

// Adds an operation, when it is over, to its context's span and its query's statistics.
class Account {
public:
    Account(Metrics& metrics, const Operation& operation) noexcept
        : metrics_(metrics), operation_(operation) {}
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;
    ~Account();
    void succeeded() noexcept { failed_ = false; }

private:
    Metrics& metrics_;
    const Operation& operation_;
    bool failed_ = true;
};

}  // namespace loadstone::store::postgres
