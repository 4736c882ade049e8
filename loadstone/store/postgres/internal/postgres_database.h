#pragma once
// PostgresDatabase: Database on PostgreSQL. Each loop has its reads; transactions share a pool;
// one connection listens and one notifies, both on the first loop.

#include <memory>
#include <vector>

#include "loadstone/store/database.h"
#include "loadstone/store/internal/module_gates.h"
#include "loadstone/store/moments.h"
#include "loadstone/store/postgres/internal/listener.h"
#include "loadstone/store/postgres/internal/loop_reads.h"
#include "loadstone/store/postgres/internal/negotiation.h"
#include "loadstone/store/postgres/internal/notifier.h"
#include "loadstone/store/postgres/internal/plan_sampler.h"
#include "loadstone/store/postgres/internal/read_router.h"
#include "loadstone/store/postgres/internal/server_watch.h"
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
    Moments* moments() noexcept override { return targets_.empty() ? &moments_ : nullptr; }

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

    // What a loop has for reading. Where there are replicas `router` decides; else `heavy` is for
    // heavy reads, on the primary too.
    struct LoopReading {
        std::shared_ptr<LoopReads> primary, heavy;
        std::shared_ptr<ReadRouter> router;
        std::unique_ptr<internal::ModuleGates> gates, heavy_gates;
        bool heavy_is_open = false;
    };

    std::shared_ptr<Connector> connector(Use use);
    std::shared_ptr<LoopReads> make_reads(const runtime::Executor& executor,
                                          std::shared_ptr<Connector> connector,
                                          std::shared_ptr<Deadlines> deadlines, bool is_replica,
                                          std::size_t replica = 0, Purpose first = Purpose::reads,
                                          Purpose more = Purpose::more_reads);
    void make_reading(const runtime::Executor& executor, std::shared_ptr<Deadlines> deadlines);
    void start_reading(std::size_t loop);
    void stop_reading(std::size_t loop);
    Task<void> keep_asking(std::size_t loop);
    void add_gauges();
    std::size_t heavy_places() const;
    Task<RunResult> read(LoopReading& reading, Context& context, const StatementRef& statement,
                         std::span<const Value> values, RowSink sink);
    void start_negotiating(std::size_t loops);
    void budget_changed();
    void replica_budget_changed(std::size_t server);

    const DatabaseOptions options_;
    const Target target_;
    const std::shared_ptr<ConnectionBudget> budget_ = std::make_shared<ConnectionBudget>();
    telemetry::Registry& registry_;
    StatementStatistics statistics_;
    Moments moments_;
    Metrics metrics_;
    Canceller canceller_;
    Reads reads_;
    runtime::TaskScope tasks_;
    runtime::Loops* loops_ = nullptr;  // null: not running
    // Without replicas `servers_` and `watches_` are empty.
    const std::vector<Target> targets_;
    const std::vector<std::shared_ptr<ConnectionBudget>> replica_budgets_;
    Servers servers_;
    ReadRouting routing_;
    std::vector<std::shared_ptr<ServerWatch>> watches_;
    std::vector<LoopReading> reading_;  // of each loop
    std::atomic<bool> is_stopping_{false};
    std::shared_ptr<Transactions> transactions_;
    const std::shared_ptr<Listener> listener_;
    const std::shared_ptr<Notifier> notifier_;
    // That of the primary, then those of each of `targets_` as a replica; empty: not started.
    std::vector<std::unique_ptr<Negotiation>> negotiations_;
    std::unique_ptr<PlanSampler> sampler_;  // null: plans are not sampled
};

}  // namespace loadstone::store::postgres
