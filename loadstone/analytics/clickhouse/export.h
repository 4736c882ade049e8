#pragma once
// The file of an export, of rows as they come: CSV is written here; Parquet, of which ClickHouse
// 18.16 knows nothing, by a loadstone-duckdb (internal/file_process.h).

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/clickhouse/client.h"
#include "loadstone/analytics/columns.h"

namespace loadstone::analytics::clickhouse {

class CsvFile {
public:
    // Of the caller's file. Errors: unavailable.
    CsvFile(const std::string& path, std::int64_t bytes_max);

    void begin(const std::vector<Column>& columns);
    // Whole rows (row_bytes.h). Errors: resource_exhausted beyond its bytes, unavailable for a disk
    // that is full.
    void append(std::string_view rows);
    void finish();

    std::int64_t rows() const noexcept { return rows_; }
    std::int64_t bytes() const noexcept { return bytes_; }

private:
    void write(const std::string& text);

    const std::int64_t bytes_max_;
    std::ofstream file_;
    std::vector<Column> columns_;
    std::int64_t rows_ = 0, bytes_ = 0;
};

// The columns, with those that Query::clickhouse_times names as times. Errors: invalid_argument if
// one of these is no integer.
std::vector<Column> with_times(std::vector<Column> columns, std::string_view times);

// The columns of a statement that gave no row: the server names them only beside rows.
std::vector<Column> columns_of_nothing(Client& client, std::string_view statement,
                                       const QuestionBounds& bounds);

}  // namespace loadstone::analytics::clickhouse
