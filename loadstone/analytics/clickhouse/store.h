#pragma once
// A ClickHouse server, over HTTP, which all servers of a database reach: any of them can ask it,
// and the one that has the lease feeds it. One server, or an address behind which it is always the
// same one: a replica that is behind would not show what has been taken.

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <string>

#include "loadstone/analytics/clickhouse/client.h"
#include "loadstone/analytics/clickhouse/ledger.h"
#include "loadstone/analytics/clickhouse/tables.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/file_process.h"

namespace loadstone::analytics::clickhouse {

class Store : public internal::ColumnStore {
public:
    // Errors: invalid_argument for options.store that is no address.
    explicit Store(const Options& options);
    bool is_shared() const noexcept override { return true; }
    bool is_made_here() const override { return true; }
    bool keep_running() override { return true; }
    void shut() override {}

    internal::StoreState state(int timeout_ms) override;
    internal::StoreState begin(std::int64_t epoch, int timeout_ms) override;
    bool has_turn() const noexcept override { return has_turn_; }
    void touch(const Position& position, std::int64_t as_of, int timeout_ms) override;
    void declare(std::span<const internal::FormRollup> rollups, int timeout_ms) override;
    bool keeps_rollups() const noexcept override { return false; }
    void apply(const internal::FactBatch& batch, int timeout_ms) override;
    void replace(const internal::FactRange& range, int timeout_ms) override;
    void forget_old(const std::string& fact, int timeout_ms) override;

    std::int64_t query(const internal::Question& question, const OnColumns& columns,
                       const OnRows& rows) override;
    // Any server may feed it.
    std::optional<internal::StoreVersion> version(int timeout_ms) override;
    internal::Exported export_file(const internal::Question& question,
                                   const std::string& name) override;
    Query columns_of_table() const override;
    internal::StoreReport report() const override;
    void stop() noexcept override;

private:
    class Batch;
    class ParquetFile;
    internal::StoreState state_now() const;
    void require_turn(const Position& position) const;
    void commit_nothing(int timeout_ms);
    void add_range(const internal::FactRange& range, Generations next, int timeout_ms);
    void measure_at_times(int timeout_ms);
    template <class File>
    void write_file(const internal::Question& question, File& file, internal::Exported& made);
    QuestionBounds bounds_of(const internal::Question& question,
                             std::chrono::steady_clock::time_point end) const;

    const Options options_;
    Client client_;
    Ledger ledger_;
    Tables tables_;
    bool has_turn_ = false;  // it feeds, and nothing is in doubt
    std::chrono::steady_clock::time_point touched_{}, measured_{};
    std::atomic<std::int64_t> bytes_{0};

    std::mutex mutex_;  // of what is below
    bool is_stopping_ = false;
    std::set<internal::FileProcess*> writing_;
};

}  // namespace loadstone::analytics::clickhouse
