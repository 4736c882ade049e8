#pragma once
// PostgresDatabase: Database on PostgreSQL. Each loop has its reads; transactions share a pool;
// one connection listens and one notifies, both on the first loop.

#include <memory>
#include <vector>

#include "loadstone/store/database.h"
#include "loadstone/store/postgres/internal/listener.h"
#include "loadstone/store/postgres/internal/loop_reads.h"
#include "loadstone/store/postgres/internal/notifier.h"
#include "loadstone/store/postgres/internal/plan_sampler.h"
#include "loadstone/store/postgres/internal/transactions.h"

namespace loadstone::store::postgres {

class PostgresDatabase final : public Database {
public:
    PostgresDatabase(const DatabaseOptions& options, telemetry::Registry& registry);
    ~PostgresDatabase() override;

    Dialect dialect() const noexcept override { return Dialect::postgres; }
    Connection& read_connection() override { return reads_; }
    Task<void> transact(Context& context, TxBody body) override;
    void start(runtime::Loops& loops) override;
    void stop() override;
    Task<void> check(Context& context) override;
    Task<Timestamp> now(Context& context) override;
    void listen(std::string_view channel, std::function<void()> woken) override;
    void notify(std::string_view channel) override;
    StatementStatistics* statistics() noexcept override { return &statistics_; }

private:
    // Runs each statement with the reads of the calling loop.
    class Reads final : public Connection {
    public:
        explicit Reads(PostgresDatabase& database) : database_(database) {}
        Task<RunResult> run(Context& context, StatementRef statement, std::span<const Value> values,
                            RowSink sink) override;

    private:
        PostgresDatabase& database_;
    };

    std::shared_ptr<Connector> connector(Use use);
    void add_gauges();

    const DatabaseOptions options_;
    const Target target_;
    telemetry::Registry& registry_;
    StatementStatistics statistics_;
    Metrics metrics_;
    Canceller canceller_;
    Reads reads_;
    runtime::TaskScope tasks_;
    runtime::Loops* loops_ = nullptr;  // null: not running
    std::vector<std::shared_ptr<LoopReads>> loop_reads_;
    std::shared_ptr<Transactions> transactions_;
    const std::shared_ptr<Listener> listener_;
    const std::shared_ptr<Notifier> notifier_;
    std::unique_ptr<PlanSampler> sampler_;  // null: plans are not sampled
};

}  // namespace loadstone::store::postgres
