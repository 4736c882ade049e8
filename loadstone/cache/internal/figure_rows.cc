#include "loadstone/cache/internal/figure_rows.h"

#include "loadstone/cache/sql.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::cache::internal {

Task<std::vector<Figure>> kept_in(Reader reader, const Aggregate& aggregate, KeyRange keys) {
    std::vector<Figure> figures;
    if (aggregate.kind == AggregateKind::ranked) {
        const auto rows =
            co_await sql::ranks_from(reader, aggregate.name, keys.first, keys.last, keys.keys_max);
        for (const auto& row : rows) figures.push_back({row.key, row.value, row.of_group});
        co_return figures;
    }
    const auto rows =
        co_await sql::figures_from(reader, aggregate.name, keys.first, keys.last, keys.keys_max);
    for (const auto& row : rows) figures.push_back({row.key, figure_of(aggregate.kind, row)});
    co_return figures;
}

void count_unbuilt(Reader reader, std::uint64_t keys) {
    if (auto* registry = reader.context().services().find<telemetry::Registry>())
        registry
            ->counter("loadstone_aggregates_unbuilt_reads_total", "",
                      "Keys of aggregates that readers recomputed because it is not built yet")
            .add(keys);
}

}  // namespace loadstone::cache::internal
