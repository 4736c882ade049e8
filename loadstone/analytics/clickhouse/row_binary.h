#pragma once
// Rows of facts as ClickHouse's format RowBinary: value behind value, numbers little-endian, a text
// behind its length (varint), a Nullable behind a byte that is 1 for null. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/clickhouse/tables.h"
#include "loadstone/analytics/internal/row_bytes.h"

namespace loadstone::analytics::clickhouse {

// What stands before each row: the ledger's columns.
struct RowMark {
    std::uint32_t epoch = 0, batch = 0, from = 0, span = 0;
};

// Of one form of a fact into its table.
class RowEncoder {
public:
    RowEncoder(const internal::FactForm& form, const StoredTable& table);

    // The next row, as its bytes tell it (row_bytes.h). Errors: data_loss.
    void read(std::string_view bytes);
    // Of its key; 0: it has none.
    std::int64_t key() const;
    void append(std::string& out, const RowMark& mark) const;

private:
    const Schema schema_;
    std::ptrdiff_t key_ = -1;
    struct Place {
        std::ptrdiff_t from = -1;  // which member; -1: this form lacks it
        ColumnType type = ColumnType::integer;
        bool is_nullable = true;
    };
    std::vector<Place> places_;  // of the table's columns
    std::vector<internal::Cell> cells_;
};

// "INSERT INTO loadstone_rows_visits (_epoch, ..) FORMAT RowBinary", in the order of RowEncoder.
std::string insert_statement(const StoredTable& table);

}  // namespace loadstone::analytics::clickhouse
