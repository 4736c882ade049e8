#pragma once
// Deltas: what one run of a transaction's body says of aggregates, until the body has ended.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "loadstone/cache/aggregate.h"

namespace loadstone::cache::internal {

class Deltas {
public:
    static constexpr std::size_t keys_max = 10'000;

    // Of those that are declared: others are a bug.
    explicit Deltas(std::span<const Aggregate* const> declared) : declared_(declared) {}

    void add(const Aggregate& aggregate, std::int64_t key, std::int64_t delta);
    void include(const Aggregate& aggregate, std::int64_t key, std::int64_t value);
    void recompute(const Aggregate& aggregate, std::int64_t key);
    bool empty() const noexcept { return changes_.empty(); }

    // Recomputes what is to be, and defers the rest into the commit. `shards` as of
    // add_to_aggregates.
    Task<void> write(Tx& tx, std::int64_t shards) const;

private:
    struct Change {
        const Aggregate* aggregate;
        std::int64_t value = 0;
        bool recomputes = false;
    };
    // By name and key: the order in which rows are written.
    using Changes = std::map<std::pair<std::string_view, std::int64_t>, Change>;

    // True if it is new.
    std::pair<Change*, bool> change(const Aggregate& aggregate, std::int64_t key);
    Task<void> defer(Tx& tx, AggregateKind kind, std::int64_t shards) const;

    std::span<const Aggregate* const> declared_;
    Changes changes_;
};

// A Tx that collects them.
class CollectsDeltas {
public:
    virtual Deltas& deltas() = 0;
    virtual bool sees_commits() const = 0;

protected:
    ~CollectsDeltas() = default;
};

// What is kept of a key; nothing if no shard has it.
using KeptFigure = std::optional<std::int64_t>;

// In a transaction with one snapshot that has read both: what is kept of `key` becomes
// `true_value`.
Task<void> mend(Tx& tx, const Aggregate& aggregate, std::int64_t key, KeptFigure kept,
                KeptFigure true_value);
// Reads both, and mends.
Task<void> recompute_now(Tx& tx, const Aggregate& aggregate, std::int64_t key);
bool is_same(AggregateKind kind, KeptFigure one, KeptFigure other);

}  // namespace loadstone::cache::internal
