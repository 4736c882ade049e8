#include "loadstone/cache/internal/deltas.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/cache/internal/figure_rows.h"
#include "loadstone/cache/sql.h"
#include "loadstone/store/typed.h"

namespace loadstone::cache::internal {

namespace {

// Of who mends.
constexpr std::int64_t no_shards = 0;

store::Call<store::Command> command_of(AggregateKind kind) {
    switch (kind) {
        case AggregateKind::sum: return sql::add_to_aggregates;
        case AggregateKind::greatest: return sql::raise_aggregates;
        case AggregateKind::least: return sql::lower_aggregates;
    }
    return sql::add_to_aggregates;
}

void append(store::JsonArray& changes, const Aggregate& aggregate, std::int64_t key,
            std::int64_t value) {
    changes.begin_row();
    changes.add(aggregate.name);
    changes.add(key);
    changes.add(value);
    changes.end_row();
}

}  // namespace

std::pair<Deltas::Change*, bool> Deltas::change(const Aggregate& aggregate, std::int64_t key) {
    LOADSTONE_ASSERT(std::ranges::find(declared_, &aggregate) != declared_.end(),
                     "an aggregate is declared in its module's views() before it is changed");
    const auto [at, is_new] = changes_.try_emplace({aggregate.name, key}, Change{&aggregate});
    if (is_new && changes_.size() > keys_max) {
        changes_.erase(at);
        throw Error(Errc::resource_exhausted,
                    fmt::format("a transaction changes more than {} keys of aggregates, the most",
                                keys_max));
    }
    return {&at->second, is_new};
}

void Deltas::add(const Aggregate& aggregate, std::int64_t key, std::int64_t delta) {
    LOADSTONE_ASSERT(aggregate.kind == AggregateKind::sum, "add() is of a sum");
    change(aggregate, key).first->value += delta;
}

void Deltas::include(const Aggregate& aggregate, std::int64_t key, std::int64_t value) {
    LOADSTONE_ASSERT(aggregate.kind != AggregateKind::sum,
                     "include() is of a greatest or least value");
    const auto [change_of_key, is_new] = change(aggregate, key);
    std::int64_t& kept = change_of_key->value;
    if (is_new) {
        kept = value;
    } else {
        kept = aggregate.kind == AggregateKind::greatest ? std::max(kept, value)
                                                         : std::min(kept, value);
    }
}

void Deltas::recompute(const Aggregate& aggregate, std::int64_t key) {
    change(aggregate, key).first->recomputes = true;
}

Task<void> Deltas::defer(Tx& tx, AggregateKind kind, std::int64_t shards) const {
    store::JsonArray changes;
    bool is_empty = true;
    for (const auto& [at, each] : changes_) {
        const bool is_nothing = kind == AggregateKind::sum && each.value == 0;
        if (each.aggregate->kind != kind || each.recomputes || is_nothing) continue;
        append(changes, *each.aggregate, at.second, each.value);
        is_empty = false;
    }
    if (is_empty) co_return;
    const std::string text = changes.text();
    co_await tx.defer(command_of(kind), text, shards);
}

Task<void> Deltas::write(Tx& tx, std::int64_t shards) const {
    for (const auto& change : changes_) {
        const Aggregate& aggregate = *change.second.aggregate;
        if (change.second.recomputes) co_await recompute_now(tx, aggregate, change.first.second);
    }
    for (const auto kind : {AggregateKind::sum, AggregateKind::greatest, AggregateKind::least})
        co_await defer(tx, kind, shards);
}

bool is_same(AggregateKind kind, KeptFigure one, KeptFigure other) {
    if (kind == AggregateKind::sum) return one.value_or(0) == other.value_or(0);
    return one == other;
}

// The difference of a sum is added like any other: sums do not care for the order. What others add
// meanwhile is in neither of the two that were compared. Two who mend meet in the shard of theirs.
// Of an extreme all shards go: whoever writes one of them at the same time fails, or this does.
Task<void> mend(Tx& tx, const Aggregate& aggregate, std::int64_t key, KeptFigure kept,
                KeptFigure true_value) {
    store::JsonArray changes;
    if (aggregate.kind == AggregateKind::sum) {
        append(changes, aggregate, key, true_value.value_or(0) - kept.value_or(0));
    } else {
        co_await sql::remove_from_aggregates(tx, aggregate.name, key);
        if (!true_value) co_return;
        append(changes, aggregate, key, *true_value);
    }
    const std::string text = changes.text();
    co_await tx.defer(command_of(aggregate.kind), text, no_shards);
}

Task<void> recompute_now(Tx& tx, const Aggregate& aggregate, std::int64_t key) {
    const KeyRange only{key, key, 1};
    const auto found = co_await aggregate.recompute(tx, only);
    KeptFigure true_value, kept;
    if (!found.empty()) true_value = found.front().value;
    const auto rows = co_await sql::figures_from(tx, aggregate.name, key, key, 1);
    if (!rows.empty()) kept = figure_of(aggregate.kind, rows.front());
    // Also where nothing differs: another that recomputes the key at the same time, and does not
    // see what this transaction has changed, is to meet it in the same rows.
    co_await mend(tx, aggregate, key, kept, true_value);
}

}  // namespace loadstone::cache::internal
