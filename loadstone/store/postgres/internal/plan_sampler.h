#pragma once
// PlanSampler: what PostgreSQL does not tell of a statement by itself, looked at now and then: a
// read of real traffic is run once more under EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) for its plan,
// the rows it reads and its temporary files; and which statements wait for locks just now.
//
// A thread and connections of its own, read-only, with a statement timeout: to the primary, and to
// each replica of whose reads one was taken, for what is read there is no work for the primary. One
// read in `sample_every` at most, the same one not again for `rest` of these; and one suspect: a
// statement that adds up rows and took long enough to have read `analytic_rows`. What writes, was
// in a transaction or took longer than half of `sample_timeout` is explained and not run: its
// figures are the planner's. What fails is left out.

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "loadstone/base/log_throttle.h"
#include "loadstone/store/analytic_reads.h"
#include "loadstone/store/database.h"
#include "loadstone/store/inspection.h"
#include "loadstone/store/postgres/internal/operation.h"
#include "loadstone/store/postgres/internal/target.h"

namespace loadstone::store::postgres {

class BlockingConnection;

class PlanSampler {
public:
    static constexpr int rest = 10;
    static constexpr std::size_t value_bytes_max =
        64 * 1024;  // of a read; larger ones are left out
    // No server adds up a row in less.
    static constexpr std::uint64_t row_ns_min = 20;

    PlanSampler(const DatabaseOptions& options, StatementStatistics& statistics,
                telemetry::Registry& registry);
    ~PlanSampler();
    PlanSampler(const PlanSampler&) = delete;
    PlanSampler& operator=(const PlanSampler&) = delete;

    void start();
    void stop();
    // Where a statement ran.
    enum class Ran : std::uint8_t { on_primary, on_replica, in_transaction };

    // After a statement has ended, from any thread. Almost always it only looks at two flags.
    // `replica`: if it ran on one, its place in servers_of().
    void saw(const Operation& operation, Ran ran, bool failed, std::size_t replica = 0) {
        if (wants_any_.load(std::memory_order_relaxed) ||
            wants_suspect_.load(std::memory_order_relaxed)) [[unlikely]]
            offer(operation, ran, failed, replica);
    }

private:
    struct Sample {
        std::string name, text;
        std::vector<Value> values;
        std::vector<std::string> texts;  // of each value that has one
        bool runs = true;                // under EXPLAIN; else it is only planned
        std::size_t server = 0;          // of targets_
        // Of the execution that was seen.
        bool may_be_analytic = false;
        std::string activity, place;
        std::uint64_t rows = 0, ns = 0;
    };
    enum Kind : std::uint8_t { any, suspect };

    void offer(const Operation& operation, Ran ran, bool failed, std::size_t replica);
    bool is_suspect(const Operation& operation, std::uint64_t ns) const;
    void take(const Operation& operation, Ran ran, std::size_t replica, std::uint64_t ns,
              Kind kind);
    void serve();
    void look(const std::array<std::optional<Sample>, 2>& samples);
    template <class Work>
    void attempt(const Work& work);
    BlockingConnection& connection(std::size_t server);
    void explain(BlockingConnection& connection, const Sample& sample);
    void note_analytic(BlockingConnection& connection, const Sample& sample,
                       const ExplainedPlan& plan);
    void look_for_lock_waits(BlockingConnection& connection);
    void note_cut_text(const std::string& text, std::uint64_t sessions);

    const DatabaseOptions options_;
    const std::vector<Target> targets_;  // the primary, whichever it is, and servers_of()
    StatementStatistics& statistics_;
    telemetry::Counter& samples_;
    telemetry::Counter& failures_;
    const std::uint64_t suspect_ns_;
    std::atomic<bool> wants_any_{false}, wants_suspect_{false};
    std::atomic<std::uint64_t> round_{0};
    std::atomic<bool> stopping_{false};

    std::mutex mutex_;
    std::condition_variable changed_;
    std::array<std::optional<Sample>, 2> samples_taken_;            // by Kind; under mutex_
    std::vector<std::unique_ptr<BlockingConnection>> connections_;  // of the thread, by target
    log::Throttle complaints_{std::chrono::seconds(10)};
    std::thread thread_;
};

}  // namespace loadstone::store::postgres
