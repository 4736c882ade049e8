#include "loadstone/analytics/clickhouse/store.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/duckdb_store.h"

namespace loadstone::analytics {

void check_store_url(const std::string& url) { clickhouse::address_of(url); }

namespace internal {

std::unique_ptr<ColumnStore> open_store(const Options& options) {
    if (options.store.empty()) return std::make_unique<DuckDbStore>(options);
    return std::make_unique<clickhouse::Store>(options);
}

}  // namespace internal

}  // namespace loadstone::analytics
