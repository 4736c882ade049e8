#include "loadstone/store/postgres/internal/metrics.h"

#include <algorithm>

#include "loadstone/store/internal/query_labels.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

Metrics::Metrics(telemetry::Registry& metrics, StatementStatistics& of_statements)
    : registry(metrics),
      statistics(of_statements),
      connections_lost(metrics.counter("loadstone_postgres_connections_lost_total", "",
                                       "Connections that ended without being closed by this side")),
      reads_again(metrics.counter("loadstone_postgres_reads_again_total", "",
                                  "Reads sent again after a lost connection")),
      reads_refused(metrics.counter("loadstone_postgres_reads_refused_total", "",
                                    "Reads refused because too many were waiting")),
      retries_conflict(metrics.counter("loadstone_postgres_transaction_retries_total",
                                       telemetry::metric_label("reason", "conflict"),
                                       "Transactions that were run again")),
      retries_lost(metrics.counter("loadstone_postgres_transaction_retries_total",
                                   telemetry::metric_label("reason", "connection"),
                                   "Transactions that were run again")),
      commits_unknown(metrics.counter("loadstone_postgres_commits_unknown_total", "",
                                      "Commits whose outcome could not be learnt")),
      foreign_waits(metrics.counter("loadstone_postgres_foreign_waits_total", "",
                                    "Transaction bodies that let their transaction wait for long")),
      transaction_waits(metrics.counter("loadstone_postgres_transaction_waits_total", "",
                                        "Transactions that waited for others to end")) {}

telemetry::LabelIndex Metrics::label_of(const Operation& operation) {
    Prepared* const prepared = operation.prepared.get();
    if (prepared == nullptr) return internal::query_label(registry, operation.statement.name);
    if (!prepared->label) {
        prepared->label = internal::query_label(registry, operation.statement.name);
        statistics.note_text(operation.statement);
    }
    return *prepared->label;
}

Account::~Account() {
    const std::uint64_t now = telemetry::tsc();
    const std::uint64_t sent = operation_.sent_tsc == 0 ? now : operation_.sent_tsc;
    const std::uint64_t ns = telemetry::tsc_to_ns(now - sent);
    telemetry::Span& span = operation_.context.span();
    // What was never sent waited for the server, not for its turn.
    span.waited(
        operation_.sent_tsc == 0 ? telemetry::WaitKind::database : telemetry::WaitKind::pool,
        telemetry::tsc_to_ns(sent - operation_.queued_tsc));
    span.waited(telemetry::WaitKind::database, ns);
    telemetry::StatementUse use;
    use.statement = metrics_.label_of(operation_);
    use.failed = failed_;
    use.ns = ns;
    use.rows = operation_.rows_given();
    if (operation_.statement.writes) use.rows = std::max(use.rows, operation_.affected);
    use.pool_ns = operation_.waited_ns;
    if (operation_.sent_tsc != 0) use.pool_ns += telemetry::tsc_to_ns(sent - operation_.queued_tsc);
    metrics_.statistics.record(span, operation_.statement, use);
}

}  // namespace loadstone::store::postgres
