#include "loadstone/cache/verify.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/cache/internal/deltas.h"
#include "loadstone/cache/internal/figure_rows.h"
#include "loadstone/cache/sql.h"
#include "loadstone/store/context_store.h"

namespace loadstone::cache {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t last_of_all = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t first_of_all = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t batch_keys_first = 16;
constexpr std::chrono::seconds batch_deadline{30};

struct Batch {
    std::int64_t last = last_of_all;  // all keys up to it were compared
    std::int64_t keys = 0;
    // What differs.
    struct Pair {
        std::int64_t key = 0;
        internal::OneFigure kept{}, true_figure{};
    };
    std::vector<Pair> pairs;
};

void require_ascending(const Aggregate& aggregate, const std::vector<Figure>& figures,
                       std::int64_t first) {
    const auto is_wrong = [](const Figure& one, const Figure& next) { return one.key >= next.key; };
    if (std::ranges::adjacent_find(figures, is_wrong) != figures.end() ||
        (!figures.empty() && figures.front().key < first))
        throw Error(Errc::internal,
                    fmt::format("aggregate {}: its statement does not give keys in their order "
                                "from the first that was asked for",
                                aggregate.name));
}

// Both lists are in the order of keys, and whole up to batch.last.
void compare(AggregateKind kind, const std::vector<Figure>& found, const std::vector<Figure>& kept,
             Batch& batch) {
    auto one = found.begin(), other = kept.begin();
    for (;;) {
        const std::int64_t next_found = one == found.end() ? last_of_all : one->key;
        const std::int64_t next_kept = other == kept.end() ? last_of_all : other->key;
        const bool is_found = one != found.end() && next_found <= next_kept;
        const bool is_kept = other != kept.end() && next_kept <= next_found;
        Batch::Pair line;
        line.key = std::min(next_found, next_kept);
        if ((!is_found && !is_kept) || line.key > batch.last) return;
        if (is_found) line.true_figure = *one++;
        if (is_kept) line.kept = *other++;
        ++batch.keys;
        if (!internal::is_same(kind, line.kept, line.true_figure)) batch.pairs.push_back(line);
    }
}

// May run again.
Task<void> compare_batch(Tx& tx, const Aggregate& aggregate, KeyRange keys, bool mends,
                         Batch& batch) {
    batch = Batch{};
    const auto found = co_await aggregate.recompute(tx, keys);
    require_ascending(aggregate, found, keys.first);
    const auto kept = co_await internal::kept_in(tx, aggregate, keys);
    for (const auto* side : {&found, &kept}) {
        if (std::ssize(*side) >= keys.keys_max) batch.last = std::min(batch.last, side->back().key);
    }
    compare(aggregate.kind, found, kept, batch);
    if (!mends) co_return;
    for (const Batch::Pair& each : batch.pairs)
        co_await internal::mend(tx, aggregate, each.key, each.kept, each.true_figure);
}

Task<void> run_batch(const runtime::Services& services, const Aggregate& aggregate, KeyRange keys,
                     bool mends, Batch& batch) {
    Context context(services, Deadline::in(batch_deadline));
    const store::TxBody body = [&](store::Tx& tx) {
        return compare_batch(tx, aggregate, keys, mends, batch);
    };
    co_await services.get<store::Database>().transact(context, body);
}

Task<std::int64_t> last_kept(const runtime::Services& services, const Aggregate& aggregate) {
    Context context(services, Deadline::in(batch_deadline));
    std::optional<std::int64_t> found;
    if (aggregate.kind == AggregateKind::ranked) {
        found = co_await sql::last_rank(context.reader(), aggregate.name);
    } else {
        found = co_await sql::last_kept_key(context.reader(), aggregate.name);
    }
    co_return found.value_or(0);
}

Difference difference_of(const Batch::Pair& pair) {
    Difference shown;
    shown.key = pair.key;
    if (pair.kept) {
        shown.kept = pair.kept->value;
        shown.kept_group = pair.kept->group;
    }
    if (pair.true_figure) {
        shown.true_value = pair.true_figure->value;
        shown.true_group = pair.true_figure->group;
    }
    return shown;
}

std::int64_t next_size(std::int64_t size, Clock::duration took, const VerifyOptions& options) {
    if (took > options.batch_time * 2) return std::max<std::int64_t>(size / 2, 1);
    if (took < options.batch_time) return std::min(size * 2, options.batch_keys_max);
    return size;
}

}  // namespace

Task<Verified> verify(const runtime::Services& services, const Aggregate& aggregate,
                      VerifyOptions options, VerifyProgress progress) {
    Verified verified;
    verified.aggregate = aggregate.name;
    const std::int64_t last = co_await last_kept(services, aggregate);
    KeyRange keys{first_of_all, last_of_all, std::min(batch_keys_first, options.batch_keys_max)};
    for (;;) {
        Batch batch;
        const auto began = Clock::now();
        co_await run_batch(services, aggregate, keys, options.mends, batch);
        const std::int64_t different = std::ssize(batch.pairs);
        verified.keys += batch.keys;
        verified.different += different;
        if (options.mends) verified.mended += different;
        for (const Batch::Pair& each : batch.pairs) {
            if (verified.differences.size() >= options.shown_max) break;
            verified.differences.push_back(difference_of(each));
        }
        if (batch.last == last_of_all) break;
        progress(batch.last, std::max(last, batch.last));
        keys.first = batch.last + 1;
        keys.keys_max = next_size(keys.keys_max, Clock::now() - began, options);
    }
    progress(last, last);
    co_return verified;
}

namespace {

Task<std::vector<sql::AggregatesBuiltRow>> built(const runtime::Services& services) {
    Context context(services, Deadline::in(batch_deadline));
    context.reading().freshness = latest;
    co_return co_await sql::aggregates_built(context.reader());
}

Task<void> note_built(Tx& tx, std::string name) {
    const std::int64_t now = Timestamp::now().micros;
    co_await sql::note_aggregate_built(tx, name, now);
}

}  // namespace

Task<std::size_t> build(const runtime::Services& services, std::vector<const Aggregate*> aggregates,
                        VerifyProgress progress) {
    if (aggregates.empty()) co_return 0;
    const auto known = co_await built(services);
    std::size_t count = 0;
    for (const Aggregate* each : aggregates) {
        if (std::ranges::find(known, each->name, &sql::AggregatesBuiltRow::aggregate) !=
            known.end())
            continue;
        VerifyOptions options;
        options.mends = true;
        const Verified verified = co_await verify(services, *each, options, progress);
        Context context(services, Deadline::in(batch_deadline));
        co_await context.write(note_built, each->name);
        log::info("an aggregate was built", {{"aggregate", each->name}, {"keys", verified.keys}});
        ++count;
    }
    co_return count;
}

}  // namespace loadstone::cache
