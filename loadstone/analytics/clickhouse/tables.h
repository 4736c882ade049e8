#pragma once
// Tables of facts. Rows are in loadstone_rows_FACT, with what the ledger needs of each; the view
// FACT shows those that are there, to every statement and every client.
//
//   _epoch, _batch   ledger.h
//   _from, _span     generations.h: the first, and how many more
//   others           the fact's members, all Nullable but the key, by which rows are in order
//
// Times are Int64, microseconds since 1970: 18.16 has no type that holds them.

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "loadstone/analytics/clickhouse/client.h"
#include "loadstone/analytics/clickhouse/ledger.h"
#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/column_store.h"

namespace loadstone::analytics::clickhouse {

struct StoredColumn {
    std::string name;
    std::string type;  // ClickHouse's
    bool operator==(const StoredColumn&) const = default;
};

struct StoredTable {
    std::string fact;
    std::vector<StoredColumn> columns;  // of the fact, in the table's order
};

// "loadstone_rows_visits".
std::string rows_table(const std::string& fact);

class Tables {
public:
    Tables(Client& client, Ledger& ledger) : client_(client), ledger_(ledger) {}

    // The table of this form: it, its columns and its view are made if they are missing. Errors:
    // conflict for a column of another type, or something else of the view's name.
    const StoredTable& shape(const internal::FactForm& form, std::chrono::milliseconds timeout);
    // The view of each rollup, which groups the facts when it is asked: a batch is there by another
    // row than its own, so nothing could be kept of its rows when they come. What was declared
    // before and is not any more is dropped: loadstone_rollups says what there is.
    void declare(std::span<const internal::FormRollup> rollups, std::chrono::milliseconds timeout);
    // Somebody else may have changed them.
    void forget() { known_.clear(); }

private:
    std::vector<StoredColumn> columns_of(const std::string& table,
                                         std::chrono::milliseconds timeout);
    void make_view(const std::string& name, const std::string& text, bool is_there,
                   std::chrono::milliseconds timeout);
    bool has_view(const std::string& name, std::chrono::milliseconds timeout);
    void note_rollup(const std::string& name, bool is_there, std::chrono::milliseconds timeout);

    Client& client_;
    Ledger& ledger_;
    std::map<std::string, StoredTable> known_;
};

}  // namespace loadstone::analytics::clickhouse
