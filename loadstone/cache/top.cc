#include <algorithm>
#include <limits>
#include <tuple>

#include "loadstone/base/assert.h"
#include "loadstone/cache/aggregate.h"
#include "loadstone/cache/internal/figure_rows.h"
#include "loadstone/cache/sql.h"

namespace loadstone::cache {

namespace {

constexpr std::int64_t keys_at_once = 1'000;

bool is_before(const Figure& one, const Figure& other) {
    return std::tuple(-one.value, one.key) < std::tuple(-other.value, other.key);
}

void keep_most(std::vector<Figure>& figures, int count) {
    std::ranges::sort(figures, is_before);
    if (std::ssize(figures) > count) figures.resize(static_cast<std::size_t>(count));
}

// Until it is built: from the rows of all keys.
Task<std::vector<Figure>> recomputed(Reader reader, const Aggregate& aggregate,
                                     std::optional<std::int64_t> group, int count) {
    std::vector<Figure> most;
    KeyRange keys{std::numeric_limits<std::int64_t>::min(),
                  std::numeric_limits<std::int64_t>::max(), keys_at_once};
    for (;;) {
        const auto found = co_await aggregate.recompute(reader, keys);
        internal::count_unbuilt(reader, found.size());
        for (const Figure& each : found) {
            if (each.value > 0 && (!group || each.group == group)) most.push_back(each);
        }
        keep_most(most, count);
        if (std::ssize(found) < keys_at_once || found.back().key == keys.last) co_return most;
        keys.first = found.back().key + 1;
    }
}

// A row without a key alone: it is built, and no key is above 0.
template <class Row>
std::vector<Figure> figures_in(const std::vector<Row>& rows, std::optional<std::int64_t> group) {
    std::vector<Figure> figures;
    for (const Row& row : rows) {
        if (row.key) figures.push_back({*row.key, row.value, group});
    }
    return figures;
}

void require_ranked(const Aggregate& aggregate, int count) {
    LOADSTONE_ASSERT(aggregate.kind == AggregateKind::ranked, "top() is of a ranked sum");
    LOADSTONE_ASSERT(count >= 1 && count <= top_max, "top() gives 1..top_max keys");
}

}  // namespace

Task<std::vector<Figure>> top(Reader reader, const Aggregate& aggregate, int count) {
    require_ranked(aggregate, count);
    const auto rows = co_await sql::top_ranks(reader, aggregate.name, count);
    if (rows.empty()) co_return co_await recomputed(reader, aggregate, std::nullopt, count);
    co_return figures_in(rows, std::nullopt);
}

Task<std::vector<Figure>> top_of_group(Reader reader, const Aggregate& aggregate,
                                       std::int64_t group, int count) {
    require_ranked(aggregate, count);
    const auto rows = co_await sql::top_ranks_of_group(reader, aggregate.name, group, count);
    if (rows.empty()) co_return co_await recomputed(reader, aggregate, group, count);
    co_return figures_in(rows, group);
}

}  // namespace loadstone::cache
