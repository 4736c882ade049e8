#pragma once
// DuckDB in a process of its own, in the data folder of one server.

#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/store_client.h"
#include "loadstone/analytics/internal/store_process.h"

namespace loadstone::analytics::internal {

class DuckDbStore : public ColumnStore {
public:
    explicit DuckDbStore(const Options& options)
        : options_(options), process_(options), client_(options.socket) {}

    bool is_shared() const noexcept override { return false; }
    bool is_made_here() const override { return process_.has_file(); }
    bool keep_running() override { return process_.keep_running(); }
    void shut() override {
        version_.forget();
        process_.end();
    }

    StoreState state(int timeout_ms) override { return noted(client_.state(timeout_ms)); }
    StoreState begin(std::int64_t, int timeout_ms) override { return state(timeout_ms); }
    bool has_turn() const noexcept override { return true; }
    void touch(const Position& position, std::int64_t as_of, int timeout_ms) override {
        noted(client_.touch(position, as_of, timeout_ms));
    }
    void declare(std::span<const FormRollup> rollups, int timeout_ms) override;
    bool keeps_rollups() const noexcept override { return true; }
    void apply(const FactBatch& batch, int timeout_ms) override;
    void replace(const FactRange& range, int timeout_ms) override;

    std::int64_t query(const Question& question, const OnColumns& columns,
                       const OnRows& rows) override;
    // Nothing in a server that another one of its folder feeds.
    std::optional<StoreVersion> known_version() const override { return version_.now(); }
    Exported export_file(const Question& question, const std::string& name) override;
    Query columns_of_table() const override;

    StoreReport report() const override;

private:
    // What its process says of itself to who feeds it: on the thread that also starts it again, so
    // the pid is that of who has answered.
    StoreState noted(StoreState state, bool has_changed = false);

    const Options options_;
    StoreProcess process_;
    StoreClient client_;
    KnownVersion version_;
    pid_t noted_pid_ = -1;  // of the process that has said so
    std::int64_t noted_failed_merges_ = 0;
    std::atomic<std::int64_t> failed_merges_{0};  // of all its processes
};

}  // namespace loadstone::analytics::internal
