#pragma once
// NativeReader: rows out of ClickHouse's format Native, as they come. An answer is blocks: the
// numbers of columns and rows (varints), then column by column its name, its type (texts behind
// their length) and its values, of fixed width and little-endian, or texts; of a Nullable first a
// byte for each row, 1 for null. Pure.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/columns.h"

namespace loadstone::analytics::clickhouse {

// What ClickHouse's type is here; its width in bytes, 0: a text behind its length.
struct NativeType {
    ColumnType type = ColumnType::integer;
    bool is_nullable = false;
    bool is_signed = false;
    int width = 0;
    std::int64_t unit_us = 0;  // of times: microseconds of a 1
};

// Errors: invalid_argument for a type that is not one of columns.h.
NativeType native_type(std::string_view type, std::string_view column);

class NativeReader {
public:
    using OnColumns = std::function<void(const std::vector<Column>&)>;
    using OnRows = std::function<void(std::string_view bytes)>;

    NativeReader(OnColumns columns, OnRows rows)
        : on_columns_(std::move(columns)), on_rows_(std::move(rows)) {}

    void take(std::string_view bytes);
    // Errors: data_loss if a block is not whole.
    void finish();
    bool has_columns() const noexcept { return has_columns_; }
    std::int64_t rows() const noexcept { return rows_; }

private:
    class Block;
    bool read_block();

    const OnColumns on_columns_;
    const OnRows on_rows_;
    bool has_columns_ = false;
    std::int64_t rows_ = 0;
    std::string buffer_;
    std::size_t wanted_ = 1;  // bytes before it is worth another look
};

}  // namespace loadstone::analytics::clickhouse
