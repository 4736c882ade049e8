#pragma once
// Aggregate: a figure by key that transactions keep, so that nobody counts rows to show it. A
// module declares it in its views.cc, with the statement that finds it anew, and says in its
// commands what changes:
//
//     const cache::Aggregate completions_of_course{
//         .name = "learning.completions", .recompute = count_completions};
//     void views(Views& views) { views.add(completions_of_course); }
//
//     co_await sql::insert_completion(tx, user, course);
//     cache::add(tx, completions_of_course, course, +1);         // goes with the commit
//
//     auto completed = co_await cache::kept(context.reader(), completions_of_course, course);
//
// A ranked sum also answers which keys have the most, in all or in a group of keys:
//
//     cache::add(tx, enrolled_in_course, course, +1, course.organisation_id);
//     auto most = co_await cache::top(context.reader(), enrolled_in_course, 10);
//
// What is kept is what `recompute` would find, at each commit (docs/internals/aggregates.md). The
// delta is to be what the statement did: how many rows it changed, or an update of what was read.
// An upsert of a row that another deletes at the same time inserts, whatever was read before.
// Compared and mended by `views verify`.

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/store/tx.h"

namespace loadstone::cache {

struct Figure {
    std::int64_t key = 0;
    std::int64_t value = 0;
    std::optional<std::int64_t> group{};  // of a ranked sum; none: in no group
};
BOOST_DESCRIBE_STRUCT(Figure, (), (key, value, group))

// Of rows with the columns `key` and `value`, without groups.
template <class Row>
std::vector<Figure> figures_of(const std::vector<Row>& rows) {
    std::vector<Figure> figures;
    for (const Row& row : rows) figures.push_back({row.key, row.value});
    return figures;
}

// From `first` to `last`, both included; the first `keys_max` of those that there are.
struct KeyRange {
    std::int64_t first = 0, last = 0, keys_max = 1;
};

enum class AggregateKind : std::uint8_t {
    sum,       // a key that is not there is 0
    greatest,  // of the values of a key; nothing if there is none
    least,
    ranked,  // a sum; top() finds the keys that have the most
};

struct Aggregate {
    std::string name;  // "learning.completions"; stays, and is of no other aggregate or view
    AggregateKind kind = AggregateKind::sum;
    // From the rows themselves, in the order of keys; reads through its Reader alone. An index
    // whose first column is the key makes a key cost its own rows. Of a ranked sum with groups: a
    // key that may change its group is given also when its value is 0.
    Task<std::vector<Figure>> (*recompute)(Reader reader, KeyRange keys);
};

template <class Tag>
constexpr std::int64_t aggregate_key(Id<Tag> id) {
    return id.value;
}
constexpr std::int64_t aggregate_key(std::int64_t key) { return key; }

// All of these go with the commit: they cost no round trip of their own, several of one key are
// one, and reads of the same transaction do not see them yet. Errors: internal if the transaction
// is not of an application's database; resource_exhausted beyond 10,000 keys of a transaction.

// Of a sum, ranked or not. Two transactions that add to one key do not wait for each other
// (PostgreSQL: shards). `group`: of a ranked sum, the same each time; who moves a key into another
// says recompute().
void add_to_key(Tx& tx, const Aggregate& aggregate, std::int64_t key, std::int64_t delta,
                std::optional<std::int64_t> group = {});
// Of the greatest or least: a value more.
void include_in_key(Tx& tx, const Aggregate& aggregate, std::int64_t key, std::int64_t value);
// Of any: how it changed cannot be told, as when the row goes that was the greatest. The key is
// recomputed when the body has ended. Not after Tx::see_commits(): Errc::internal.
void recompute_key(Tx& tx, const Aggregate& aggregate, std::int64_t key);

template <class Key>
void add(Tx& tx, const Aggregate& aggregate, Key key, std::int64_t delta) {
    add_to_key(tx, aggregate, aggregate_key(key), delta);
}
template <class Key, class Group>
void add(Tx& tx, const Aggregate& aggregate, Key key, std::int64_t delta,
         const std::optional<Group>& group) {
    std::optional<std::int64_t> number;
    if (group) number = aggregate_key(*group);
    add_to_key(tx, aggregate, aggregate_key(key), delta, number);
}
template <class Key>
void include(Tx& tx, const Aggregate& aggregate, Key key, std::int64_t value) {
    include_in_key(tx, aggregate, aggregate_key(key), value);
}
template <class Key>
void recompute(Tx& tx, const Aggregate& aggregate, Key key) {
    recompute_key(tx, aggregate, aggregate_key(key));
}

// Figures of several aggregates and keys, which one statement reads.
class Figures {
public:
    // Of a sum 0, if there is none.
    template <class Key>
    std::int64_t of(const Aggregate& aggregate, Key key) const {
        return find(aggregate, aggregate_key(key)).value_or(0);
    }
    std::optional<std::int64_t> find(const Aggregate& aggregate, std::int64_t key) const;
    void set(const Aggregate& aggregate, std::int64_t key, std::int64_t value);

private:
    std::unordered_map<const Aggregate*, std::unordered_map<std::int64_t, std::int64_t>> figures_;
};

// Of any but ranked sums. As fresh as the reader. An aggregate that was never built is recomputed,
// key by key. Some thousand keys at most.
Task<Figures> kept_of_keys(Reader reader, std::vector<const Aggregate*> aggregates,
                           std::vector<std::int64_t> keys);

template <class Key>
Task<Figures> kept(Reader reader, std::vector<const Aggregate*> aggregates,
                   const std::vector<Key>& keys) {
    std::vector<std::int64_t> numbers;
    for (const Key& key : keys) numbers.push_back(aggregate_key(key));
    return kept_of_keys(reader, std::move(aggregates), std::move(numbers));
}

// Of one key; nothing of a greatest or least without values, 0 of a sum.
Task<std::optional<std::int64_t>> kept_of_key(Reader reader, const Aggregate& aggregate,
                                              std::int64_t key);
template <class Key>
Task<std::optional<std::int64_t>> kept(Reader reader, const Aggregate& aggregate, Key key) {
    return kept_of_key(reader, aggregate, aggregate_key(key));
}

inline constexpr int top_max = 1'000;

// Of a ranked sum: the `count` keys (1..top_max) that have the most, the most first, equal ones by
// key; those above 0 alone. As fresh as the reader. Reads `count` rows, and on PostgreSQL what was
// added in the last moments (CacheOptions::fold_every). One that was never built is recomputed
// whole.
Task<std::vector<Figure>> top(Reader reader, const Aggregate& aggregate, int count);
// Of the keys of a group.
Task<std::vector<Figure>> top_of_group(Reader reader, const Aggregate& aggregate,
                                       std::int64_t group, int count);
template <class Group>
Task<std::vector<Figure>> top(Reader reader, const Aggregate& aggregate, Group group, int count) {
    return top_of_group(reader, aggregate, aggregate_key(group), count);
}

}  // namespace loadstone::cache
