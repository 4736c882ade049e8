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

    void add(const Aggregate& aggregate, std::int64_t key, std::int64_t delta,
             std::optional<std::int64_t> group);
    void include(const Aggregate& aggregate, std::int64_t key, std::int64_t value);
    void recompute(const Aggregate& aggregate, std::int64_t key);
    bool empty() const noexcept { return changes_.empty(); }
    bool has_ranked() const noexcept;

    // Recomputes what is to be, and defers the rest into the commit. `shards` as of
    // add_to_aggregates.
    Task<void> write(Tx& tx, std::int64_t shards) const;

private:
    struct Change {
        const Aggregate* aggregate;
        std::int64_t value = 0;
        std::optional<std::int64_t> group{};
        bool recomputes = false;
    };
    // By name and key: the order in which rows are written.
    using Changes = std::map<std::pair<std::string_view, std::int64_t>, Change>;

    // True if it is new.
    std::pair<Change*, bool> change(const Aggregate& aggregate, std::int64_t key);
    Task<void> recompute_all(Tx& tx, bool are_ranked) const;
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

// What is kept of a key, or is true of it; nothing if there is nothing.
using OneFigure = std::optional<Figure>;

// In a transaction with one snapshot that has read both: what is kept of `key` becomes what is
// true.
Task<void> mend(Tx& tx, const Aggregate& aggregate, std::int64_t key, OneFigure kept,
                OneFigure true_figure);
// Reads both, and mends.
Task<void> recompute_now(Tx& tx, const Aggregate& aggregate, std::int64_t key);
bool is_same(AggregateKind kind, const OneFigure& kept, const OneFigure& true_figure);

}  // namespace loadstone::cache::internal
