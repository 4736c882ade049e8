#include "loadstone/cache/aggregate.h"

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/cache/internal/deltas.h"
#include "loadstone/cache/internal/figure_rows.h"
#include "loadstone/cache/sql.h"

namespace loadstone::cache {

namespace {

internal::Deltas& deltas_of(Tx& tx) {
    auto* collects = dynamic_cast<internal::CollectsDeltas*>(&tx);
    if (collects == nullptr)
        throw Error(Errc::internal,
                    "a transaction changes an aggregate, and is not one of an "
                    "application's database");
    return collects->deltas();
}

// Until it is built: what its rows say.
Task<void> recompute_into(Figures& figures, Reader reader, const Aggregate& aggregate,
                          const std::vector<std::int64_t>& keys) {
    internal::count_unbuilt(reader, keys.size());
    for (const std::int64_t key : keys) {
        const KeyRange only{key, key, 1};
        const auto found = co_await aggregate.recompute(reader, only);
        if (!found.empty()) figures.set(aggregate, key, found.front().value);
    }
}

}  // namespace

void add_to_key(Tx& tx, const Aggregate& aggregate, std::int64_t key, std::int64_t delta,
                std::optional<std::int64_t> group) {
    deltas_of(tx).add(aggregate, key, delta, group);
}

void include_in_key(Tx& tx, const Aggregate& aggregate, std::int64_t key, std::int64_t value) {
    deltas_of(tx).include(aggregate, key, value);
}

void recompute_key(Tx& tx, const Aggregate& aggregate, std::int64_t key) {
    if (dynamic_cast<internal::CollectsDeltas&>(tx).sees_commits())
        throw Error(Errc::internal,
                    "an aggregate is not recomputed in a transaction that sees "
                    "commits of others");
    deltas_of(tx).recompute(aggregate, key);
}

std::optional<std::int64_t> Figures::find(const Aggregate& aggregate, std::int64_t key) const {
    const auto of_aggregate = figures_.find(&aggregate);
    if (of_aggregate == figures_.end()) return std::nullopt;
    const auto of_key = of_aggregate->second.find(key);
    if (of_key == of_aggregate->second.end()) return std::nullopt;
    return of_key->second;
}

void Figures::set(const Aggregate& aggregate, std::int64_t key, std::int64_t value) {
    figures_[&aggregate][key] = value;
}

Task<Figures> kept_of_keys(Reader reader, std::vector<const Aggregate*> aggregates,
                           std::vector<std::int64_t> keys) {
    Figures figures;
    if (keys.empty()) co_return figures;
    std::vector<std::string> names;
    for (const Aggregate* each : aggregates) {
        LOADSTONE_ASSERT(each->kind != AggregateKind::ranked, "top() reads a ranked sum");
        names.push_back(each->name);
    }
    const auto rows = co_await sql::kept_figures(reader, names, keys);
    for (const Aggregate* each : aggregates) {
        bool is_built = false;
        for (const auto& row : rows) {
            if (row.aggregate != each->name) continue;
            is_built = true;
            if (row.key) figures.set(*each, *row.key, internal::figure_of(each->kind, row));
        }
        if (!is_built) co_await recompute_into(figures, reader, *each, keys);
    }
    co_return figures;
}

Task<std::optional<std::int64_t>> kept_of_key(Reader reader, const Aggregate& aggregate,
                                              std::int64_t key) {
    const std::vector<const Aggregate*> only{&aggregate};
    const std::vector<std::int64_t> one{key};
    const Figures figures = co_await kept_of_keys(reader, only, one);
    auto found = figures.find(aggregate, key);
    if (!found && aggregate.kind == AggregateKind::sum) found = 0;
    co_return found;
}

}  // namespace loadstone::cache
