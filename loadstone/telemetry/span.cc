#include "loadstone/telemetry/span.h"

namespace loadstone::telemetry {

void Span::used_query(LabelIndex query, std::uint64_t ns, std::uint64_t rows_read) noexcept {
    ++statements;
    rows += rows_read;

    QueryUse* entry = nullptr;
    QueryUse* other = nullptr;
    for (std::size_t i = 0; i < query_count; ++i) {
        if (queries[i].query == query) entry = &queries[i];
        if (queries[i].query == 0) other = &queries[i];
    }
    if (entry == nullptr && query_count < queries_max) {
        entry = &queries[query_count++];
        entry->query = query;
    }
    if (entry == nullptr) {
        entry = other != nullptr ? other : &queries[queries_max - 1];
        entry->query = 0;
    }
    ++entry->calls;
    entry->ns += ns;
    entry->rows += rows_read;
}

}  // namespace loadstone::telemetry
