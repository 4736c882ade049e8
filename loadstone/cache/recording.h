#pragma once
// Recording: a Database as an application sees it, whose transactions put what they write into
// loadstone_changes, and what they say of aggregates into loadstone_aggregates. The rows go with
// the commit, so they are there if and only if what they tell of is. A transaction that writes no
// watched table, and changes no aggregate, pays nothing.

#include <atomic>
#include <span>

#include "loadstone/cache/aggregate.h"
#include "loadstone/cache/folding.h"
#include "loadstone/cache/tags.h"
#include "loadstone/store/database.h"

namespace loadstone::cache {

// Runs each statement on `inner` and takes down what it reads. Lives as long as both.
class RecordingReads final : public store::Connection {
public:
    RecordingReads(store::Connection& inner, const TagRules& rules, Tags& tags)
        : inner_(inner), rules_(rules), tags_(tags) {}
    Task<store::RunResult> run(Context& context, store::StatementRef statement,
                               std::span<const store::Value> values, store::RowSink sink) override;

private:
    store::Connection& inner_;
    const TagRules& rules_;
    Tags& tags_;
};

class RecordingDatabase final : public store::Database {
public:
    // Tags of one transaction; more are written down as `everything`.
    static constexpr std::size_t tags_max = 256;

    // All must outlive it. `shards`: of a key of an aggregate, on PostgreSQL.
    RecordingDatabase(store::Database& inner, const TagRules& rules,
                      std::span<const Aggregate* const> aggregates, std::int64_t shards,
                      Folding& folding, telemetry::Registry& registry);

    store::Dialect dialect() const noexcept override { return inner_.dialect(); }
    store::Connection& read_connection() override { return inner_.read_connection(); }
    Task<void> transact(Context& context, store::TxBody body) override;
    void start(runtime::Loops& loops) override { inner_.start(loops); }
    void stop() override { inner_.stop(); }
    Task<void> check(Context& context) override { return inner_.check(context); }
    Task<Timestamp> now(Context& context) override { return inner_.now(context); }
    void listen(std::string_view channel, std::function<void()> woken) override {
        inner_.listen(channel, std::move(woken));
    }
    void notify(std::string_view channel) override { inner_.notify(channel); }
    store::StatementStatistics* statistics() noexcept override { return inner_.statistics(); }
    store::Moments* moments() noexcept override { return inner_.moments(); }
    std::optional<WriterState> writer_state() override { return inner_.writer_state(); }

private:
    Task<void> record(store::Tx& tx, const store::TxBody& body, bool& is_watched);
    Task<void> record_tags(store::Tx& tx, Tags& tags);

    store::Database& inner_;
    const TagRules& rules_;
    std::span<const Aggregate* const> aggregates_;
    std::int64_t shards_;
    Folding& folding_;
    telemetry::Counter &recorded_, &overflowed_, &aggregated_;
};

}  // namespace loadstone::cache
