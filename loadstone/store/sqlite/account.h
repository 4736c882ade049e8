#pragma once
// Account: what one run of a statement has used. Counts it on the context's span and in the
// statistics, however it ends.

#include <sqlite3.h>

#include <cstdint>

#include "loadstone/runtime/context.h"
#include "loadstone/store/sqlite/handle.h"
#include "loadstone/store/statement_statistics.h"
#include "loadstone/telemetry/thread_usage.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::sqlite {

// Since it was asked last.
inline std::uint64_t taken(sqlite3_stmt* statement, int counter) {
    return static_cast<std::uint64_t>(sqlite3_stmt_status(statement, counter, 1));
}

class Account {
public:
    Account(StatementStatistics& statistics, Context& context, const StatementRef& statement,
            const Prepared& prepared, const RunLimits& limits, const std::uint64_t& cpu_begun_ns,
            const std::uint64_t& stopped_tsc)
        : statistics_(&statistics),
          context_(&context),
          statement_(&statement),
          prepared_(&prepared),
          limits_(&limits),
          cpu_begun_ns_(&cpu_begun_ns),
          stopped_tsc_(&stopped_tsc),
          started_(telemetry::tsc()) {}
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;
    ~Account() {
        if (dropped_) return;
        sqlite3_stmt* const run = prepared_->statement;
        telemetry::StatementUse use;
        use.statement = prepared_->label;
        use.failed = !finished;
        use.ns = telemetry::tsc_to_ns(telemetry::tsc() - started_ - *stopped_tsc_);
        use.rows = rows;
        use.pool_ns = limits_->pool_ns;
        use.lock_ns = limits_->lock_ns;
        use.scanned = taken(run, SQLITE_STMTSTATUS_FULLSCAN_STEP);
        use.steps = taken(run, SQLITE_STMTSTATUS_VM_STEP);
        use.sorts = taken(run, SQLITE_STMTSTATUS_SORT);
        use.auto_indexes = taken(run, SQLITE_STMTSTATUS_AUTOINDEX);
        const std::uint64_t cpu_ns =
            *cpu_begun_ns_ == 0 ? 0 : telemetry::thread_cpu_ns() - *cpu_begun_ns_;
        statistics_->record(context_->span(), *statement_, use, cpu_ns);
    }
    // The statement will run again and count then.
    void drop() noexcept { dropped_ = true; }

    std::uint64_t rows = 0;  // given back, or written if they are more
    bool finished = false;

private:
    StatementStatistics* statistics_;
    Context* context_;
    const StatementRef* statement_;
    const Prepared* prepared_;
    const RunLimits* limits_;
    const std::uint64_t* cpu_begun_ns_;
    const std::uint64_t* stopped_tsc_;
    std::uint64_t started_;
    bool dropped_ = false;
};

}  // namespace loadstone::store::sqlite
