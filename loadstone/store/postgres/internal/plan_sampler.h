#pragma once
// PlanSampler: what PostgreSQL does not tell of a statement by itself, looked at now and then: a
// read of real traffic is run once more under EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) for its plan,
// the rows it reads and its temporary files; and which statements wait for locks just now.
//
// A thread and a connection of its own, read-only, with a statement timeout. One read in
// `sample_every` at most, the same one not again for `rest` of these. Writes are never run. What
// fails is left out.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "loadstone/store/database.h"
#include "loadstone/store/postgres/internal/prepared.h"

namespace loadstone::store::postgres {

class BlockingConnection;

class PlanSampler {
public:
    static constexpr int rest = 10;
    static constexpr std::size_t value_bytes_max =
        64 * 1024;  // of a read; larger ones are left out

    PlanSampler(const DatabaseOptions& options, StatementStatistics& statistics,
                telemetry::Registry& registry);
    ~PlanSampler() { stop(); }
    PlanSampler(const PlanSampler&) = delete;
    PlanSampler& operator=(const PlanSampler&) = delete;

    void start();
    void stop();
    // After a read has run, from any thread. Almost always it only looks at a flag.
    void saw(const StatementRef& statement, std::span<const Value> values, Prepared* prepared) {
        if (wants_.load(std::memory_order_relaxed)) [[unlikely]]
            offer(statement, values, prepared);
    }

private:
    struct Sample {
        std::string name, text;
        std::vector<Value> values;
        std::vector<std::string> texts;  // of each value that has one
    };

    void offer(const StatementRef& statement, std::span<const Value> values, Prepared* prepared);
    void serve();
    void explain(BlockingConnection& connection, const Sample& sample);
    void look_for_lock_waits(BlockingConnection& connection);

    const DatabaseOptions options_;
    StatementStatistics& statistics_;
    telemetry::Counter& samples_;
    telemetry::Counter& failures_;
    std::atomic<bool> wants_{false};
    std::atomic<std::uint64_t> round_{0};
    std::atomic<bool> stopping_{false};

    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Sample> sample_;  // under mutex_
    std::thread thread_;
};

}  // namespace loadstone::store::postgres
