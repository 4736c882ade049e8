#pragma once
// What the two halves of Writer have in common: writer.cc, whose callers wait on their loops, and
// writer_lane.cc, which runs their transactions.

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "loadstone/runtime/context.h"
#include "loadstone/store/sqlite/writer.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::sqlite {

inline std::string who(Context& context) {
    const std::string_view name = context.span().name;
    return name.empty() ? std::string(context.module())
                        : fmt::format("{} ({})", name, context.module());
}

struct Writer::Metrics {
    explicit Metrics(telemetry::Registry& r)
        : commits(counter(r, "loadstone_store_commits_total", "Commits of groups of transactions")),
          transactions(counter(r, "loadstone_store_transactions_total", "Transactions committed")),
          rolled_back(
              counter(r, "loadstone_store_rollbacks_total", "Transactions whose body failed")),
          commit_failures(counter(r, "loadstone_store_commit_failures_total",
                                  "Groups that could not be committed")),
          reruns(counter(r, "loadstone_store_transaction_reruns_total",
                         "Transactions run again because their group was rolled back")),
          queue_full(counter(r, "loadstone_store_write_queue_full_total",
                             "Transactions refused because the write queue was full")),
          timed_out(counter(r, "loadstone_store_write_queue_timeouts_total",
                            "Transactions whose deadline passed in the write queue")),
          strays(counter(r, "loadstone_store_stray_transactions_total",
                         "Transactions that awaited something else than their Tx")) {}

    static telemetry::Counter& counter(telemetry::Registry& registry, std::string_view name,
                                       std::string_view help) {
        return registry.counter(name, telemetry::metric_label("database", "sqlite"), help);
    }

    telemetry::Counter& commits;
    telemetry::Counter& transactions;
    telemetry::Counter& rolled_back;
    telemetry::Counter& commit_failures;
    telemetry::Counter& reruns;
    telemetry::Counter& queue_full;
    telemetry::Counter& timed_out;
    telemetry::Counter& strays;
};

}  // namespace loadstone::store::sqlite
