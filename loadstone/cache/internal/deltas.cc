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
        case AggregateKind::ranked: return sql::add_to_ranks;
    }
    return sql::add_to_aggregates;
}

void append(store::JsonArray& changes, const Aggregate& aggregate, std::int64_t key,
            std::int64_t value, std::optional<std::int64_t> group) {
    changes.begin_row();
    changes.add(aggregate.name);
    changes.add(key);
    changes.add(value);
    if (aggregate.kind == AggregateKind::ranked) changes.add(group);
    changes.end_row();
}

bool is_sum(AggregateKind kind) {
    return kind == AggregateKind::sum || kind == AggregateKind::ranked;
}

std::int64_t value_or_zero(const OneFigure& figure) { return figure ? figure->value : 0; }

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

void Deltas::add(const Aggregate& aggregate, std::int64_t key, std::int64_t delta,
                 std::optional<std::int64_t> group) {
    LOADSTONE_ASSERT(is_sum(aggregate.kind), "add() is of a sum");
    LOADSTONE_ASSERT(!group || aggregate.kind == AggregateKind::ranked,
                     "keys of a ranked sum alone are in groups");
    Change& change_of_key = *change(aggregate, key).first;
    change_of_key.value += delta;
    change_of_key.group = group;
}

void Deltas::include(const Aggregate& aggregate, std::int64_t key, std::int64_t value) {
    LOADSTONE_ASSERT(!is_sum(aggregate.kind), "include() is of a greatest or least value");
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
        const bool is_nothing = is_sum(kind) && each.value == 0;
        if (each.aggregate->kind != kind || each.recomputes || is_nothing) continue;
        append(changes, *each.aggregate, at.second, each.value, each.group);
        is_empty = false;
    }
    if (is_empty) co_return;
    const std::string text = changes.text();
    co_await tx.defer(command_of(kind), text, shards);
}

Task<void> Deltas::write(Tx& tx, std::int64_t shards) const {
    co_await recompute_all(tx, false);
    for (const auto kind :
         {AggregateKind::sum, AggregateKind::greatest, AggregateKind::least, AggregateKind::ranked})
        co_await defer(tx, kind, shards);
    // As folding does it: first deltas, then rows of the ranks.
    co_await recompute_all(tx, true);
}

Task<void> Deltas::recompute_all(Tx& tx, bool are_ranked) const {
    for (const auto& change : changes_) {
        const Aggregate& aggregate = *change.second.aggregate;
        const bool is_ranked = aggregate.kind == AggregateKind::ranked;
        if (change.second.recomputes && is_ranked == are_ranked)
            co_await recompute_now(tx, aggregate, change.first.second);
    }
}

bool Deltas::has_ranked() const noexcept {
    return std::ranges::any_of(changes_, [](const auto& change) {
        return change.second.aggregate->kind == AggregateKind::ranked;
    });
}

// Of a ranked sum also the group, where both sides know one.
bool is_same(AggregateKind kind, const OneFigure& kept, const OneFigure& true_figure) {
    if (is_sum(kind) && value_or_zero(kept) != value_or_zero(true_figure)) return false;
    if (kind == AggregateKind::ranked && kept && true_figure)
        return kept->group == true_figure->group;
    if (is_sum(kind)) return true;
    return kept.has_value() == true_figure.has_value() &&
           value_or_zero(kept) == value_or_zero(true_figure);
}

namespace {

// The difference is added to the key's row: what others add meanwhile is in deltas of theirs, and
// in neither of the two that were compared. Two who mend meet in that row.
Task<void> mend_rank(Tx& tx, const Aggregate& aggregate, std::int64_t key, OneFigure kept,
                     OneFigure true_figure) {
    if (!kept && !true_figure) co_return;
    const auto group = true_figure ? true_figure->group : kept->group;
    const auto error = value_or_zero(true_figure) - value_or_zero(kept);
    co_await sql::mend_rank(tx, aggregate.name, key, group, error);
}

}  // namespace

// The difference of a sum is added like any other: sums do not care for the order. What others add
// meanwhile is in neither of the two that were compared. Two who mend meet in the shard of theirs.
// Of an extreme all shards go: whoever writes one of them at the same time fails, or this does.
Task<void> mend(Tx& tx, const Aggregate& aggregate, std::int64_t key, OneFigure kept,
                OneFigure true_figure) {
    store::JsonArray changes;
    if (aggregate.kind == AggregateKind::ranked) {
        co_await mend_rank(tx, aggregate, key, kept, true_figure);
        co_return;
    }
    if (aggregate.kind == AggregateKind::sum) {
        const auto error = value_or_zero(true_figure) - value_or_zero(kept);
        append(changes, aggregate, key, error, std::nullopt);
    } else {
        co_await sql::remove_from_aggregates(tx, aggregate.name, key);
        if (!true_figure) co_return;
        append(changes, aggregate, key, true_figure->value, std::nullopt);
    }
    const std::string text = changes.text();
    co_await tx.defer(command_of(aggregate.kind), text, no_shards);
}

Task<void> recompute_now(Tx& tx, const Aggregate& aggregate, std::int64_t key) {
    const KeyRange only{key, key, 1};
    const auto found = co_await aggregate.recompute(tx, only);
    const auto rows = co_await kept_in(tx, aggregate, only);
    OneFigure true_figure, kept;
    if (!found.empty()) true_figure = found.front();
    if (!rows.empty()) kept = rows.front();
    // Also where nothing differs: another that recomputes the key at the same time, and does not
    // see what this transaction has changed, is to meet it in the same rows.
    co_await mend(tx, aggregate, key, kept, true_figure);
}

}  // namespace loadstone::cache::internal
