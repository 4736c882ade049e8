#include "loadstone/cache/recording.h"

#include <algorithm>

#include "loadstone/cache/internal/deltas.h"
#include "loadstone/cache/sql.h"
#include "loadstone/store/analytic_reads.h"
#include "loadstone/store/moments.h"
#include "loadstone/store/statement_statistics.h"

namespace loadstone::cache {

namespace {

// Of a Tx that the backend made.
class ConnectionOf : public store::Statements {
public:
    static store::Connection& of(store::Statements& tx) {
        return *(tx.*(&ConnectionOf::connection_));
    }
};

class RecordingWrites final : public store::Connection {
public:
    RecordingWrites(store::Connection& inner, const TagRules& rules)
        : inner_(inner), rules_(rules) {}
    Task<store::RunResult> run(Context& context, store::StatementRef statement,
                               std::span<const store::Value> values, store::RowSink sink) override {
        if (statement.writes) rules_.add_written(statement, values, tags);
        return inner_.run(context, statement, values, sink);
    }
    Task<void> defer(Context& context, store::StatementRef statement,
                     std::span<const store::Value> values, store::DeferredRows take) override {
        if (statement.writes) rules_.add_written(statement, values, tags);
        return inner_.defer(context, statement, values, std::move(take));
    }

    Tags tags;

private:
    store::Connection& inner_;
    const TagRules& rules_;
};

class RecordingTx final : public store::Tx, public internal::CollectsDeltas {
public:
    RecordingTx(store::Tx& inner, store::Connection& connection,
                std::span<const Aggregate* const> aggregates)
        : Tx(inner.context(), connection), inner_(inner), deltas_(aggregates) {}
    void see_commits() override {
        inner_.see_commits();
        sees_commits_ = true;
    }
    void after_commit(std::function<void()> action) override {
        inner_.after_commit(std::move(action));
    }
    internal::Deltas& deltas() override { return deltas_; }
    bool sees_commits() const override { return sees_commits_; }

private:
    store::Tx& inner_;
    internal::Deltas deltas_;
    bool sees_commits_ = false;
};

}  // namespace

Task<store::RunResult> RecordingReads::run(Context& context, store::StatementRef statement,
                                           std::span<const store::Value> values,
                                           store::RowSink sink) {
    rules_.add_read(statement, values, tags_);
    auto* const database = context.services().find<store::Database>();
    if (database != nullptr && database->statistics() != nullptr)
        database->statistics()->analytic_reads().note_view(statement.name);
    return inner_.run(context, statement, values, sink);
}

RecordingDatabase::RecordingDatabase(store::Database& inner, const TagRules& rules,
                                     std::span<const Aggregate* const> aggregates,
                                     std::int64_t shards, Folding& folding,
                                     telemetry::Registry& registry)
    : inner_(inner),
      rules_(rules),
      aggregates_(aggregates),
      shards_(shards),
      folding_(folding),
      recorded_(registry.counter("loadstone_cache_changes_total", "",
                                 "Transactions that wrote what views read")),
      overflowed_(registry.counter("loadstone_cache_changes_too_wide_total", "",
                                   "Of these, those that made all entries invalid: they wrote too "
                                   "many keys, or by a statement that is not described")),
      aggregated_(registry.counter("loadstone_aggregates_changes_total", "",
                                   "Runs of transactions that changed what aggregates keep")) {}

Task<void> RecordingDatabase::transact(Context& context, store::TxBody body) {
    if (rules_.watches_nothing() && aggregates_.empty()) {
        co_await inner_.transact(context, std::move(body));
        co_return;
    }
    // However it ends: it may have been committed.
    struct Written {
        store::TxBody body;
        store::Moments* moments;
        bool is_watched = false;
        ~Written() {
            if (is_watched && moments != nullptr) moments->wrote();
        }
    } written{std::move(body), inner_.moments()};
    store::TxBody recording = [this, &written](store::Tx& tx) {
        return record(tx, written.body, written.is_watched);
    };
    co_await inner_.transact(context, std::move(recording));
}

Task<void> RecordingDatabase::record(store::Tx& tx, const store::TxBody& body, bool& is_watched) {
    RecordingWrites connection(ConnectionOf::of(tx), rules_);
    RecordingTx recording(tx, connection, aggregates_);
    co_await body(recording);
    if (!recording.deltas().empty()) {
        aggregated_.add();
        co_await recording.deltas().write(recording, shards_);
        if (recording.deltas().has_ranked()) tx.after_commit([this] { folding_.note_written(); });
    }
    if (connection.tags.empty()) co_return;
    is_watched = true;
    co_await record_tags(tx, connection.tags);
}

Task<void> RecordingDatabase::record_tags(store::Tx& tx, Tags& tags) {
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    if (tags.front() == everything || tags.size() > tags_max) {
        tags = {everything};
        overflowed_.add();
    }
    recorded_.add();
    const std::string text = text_of(tags);
    co_await tx.defer(sql::record_change, text);
}

}  // namespace loadstone::cache
