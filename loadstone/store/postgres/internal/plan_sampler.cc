#include "loadstone/store/postgres/internal/plan_sampler.h"

#include <fmt/format.h>
#include <pthread.h>

#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/postgres/internal/blocking_connection.h"
#include "loadstone/store/postgres/internal/plan_text.h"

namespace loadstone::store::postgres {

namespace {

constexpr const char* waiting_sql =
    "select query, count(*) from pg_stat_activity where datname = current_database() "
    "and wait_event_type = 'Lock' group by query limit 1000";

}  // namespace

PlanSampler::PlanSampler(const DatabaseOptions& options, StatementStatistics& statistics,
                         telemetry::Registry& registry)
    : options_(options),
      statistics_(statistics),
      samples_(registry.counter("loadstone_postgres_plan_samples_total", "",
                                "Reads that were run once more under EXPLAIN")),
      failures_(registry.counter("loadstone_postgres_plan_sample_failures_total", "",
                                 "Reads whose plan could not be looked at")) {}

void PlanSampler::start() {
    thread_ = std::thread([this] { serve(); });
}

void PlanSampler::stop() {
    wants_ = false;
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void PlanSampler::offer(const StatementRef& statement, std::span<const Value> values,
                        Prepared* prepared) {
    if (statement.writes || prepared == nullptr) return;
    const std::uint64_t round = round_.load(std::memory_order_relaxed);
    if (prepared->sampled_in != 0 && round - prepared->sampled_in < rest) return;
    std::size_t bytes = 0;
    for (const Value& value : values) bytes += value.text.size();
    prepared->sampled_in = round;
    if (bytes > value_bytes_max) return;
    Sample sample{std::string(statement.name),
                  std::string(statement.postgres),
                  {values.begin(), values.end()},
                  {}};
    for (const Value& value : values) sample.texts.emplace_back(value.text);
    {
        const std::scoped_lock lock(mutex_);
        if (sample_ || stopping_) return;
        sample_.emplace(std::move(sample));
        wants_ = false;
    }
    changed_.notify_all();
}

void PlanSampler::serve() {
    pthread_setname_np(pthread_self(), "plan-sampler");
    std::optional<BlockingConnection> connection;
    for (;;) {
        std::optional<Sample> sample;
        {
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, options_.statistics.sample_every,
                              [this] { return stopping_.load(); });
            if (stopping_) return;
            ++round_;
            sample = std::exchange(sample_, std::nullopt);
            wants_ = true;
        }
        try {
            if (!connection || connection->is_lost()) {
                connection.emplace(options_, &stopping_);
                connection->run(fmt::format("set statement_timeout = {}",
                                            options_.statistics.sample_timeout.count()),
                                {}, "a plan's sample");
            }
            look_for_lock_waits(*connection);
            if (sample) explain(*connection, *sample);
        } catch (const Error& error) {
            failures_.add();
            log::debug("a plan could not be looked at", {{"error", error.message()}});
            if (connection && connection->is_lost()) connection.reset();
        }
    }
}

void PlanSampler::explain(BlockingConnection& connection, const Sample& sample) {
    std::vector<Value> values = sample.values;
    for (std::size_t i = 0; i < values.size(); ++i) values[i].text = sample.texts[i];
    const auto explained = connection.run_bound(
        fmt::format("explain (analyze, buffers, timing off, format text) {}", sample.text), values,
        sample.name);
    std::string lines;
    for (int row = 0; row < PQntuples(explained.get()); ++row)
        lines.append(text_of(explained, row, 0)).append("\n");
    const ExplainedPlan plan = read_plan(lines);
    samples_.add();
    statistics_.note_plan(sample.name, shape_of(plan));
    statistics_.note_sample(sample.name, plan.rows, plan.scanned, plan.temp_bytes);
}

void PlanSampler::look_for_lock_waits(BlockingConnection& connection) {
    const auto waiting = connection.run(waiting_sql, {}, "lock waits");
    for (int row = 0; row < PQntuples(waiting.get()); ++row)
        statistics_.note_lock_waits(text_of(waiting, row, 0), count_of(waiting, row, 1));
}

}  // namespace loadstone::store::postgres
