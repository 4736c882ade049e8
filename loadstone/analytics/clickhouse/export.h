#pragma once
// The file of an export, which this server writes as the rows come: CSV alone, since ClickHouse
// 18.16 writes no Parquet.

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/clickhouse/client.h"
#include "loadstone/analytics/columns.h"

namespace loadstone::analytics::clickhouse {

class ExportFile {
public:
    // In `folder`, which is made. Errors: invalid_argument for a name that is none, or Parquet;
    // unavailable.
    ExportFile(const std::string& folder, const std::string& name, std::int64_t bytes_max);
    ExportFile(const ExportFile&) = delete;
    ExportFile& operator=(const ExportFile&) = delete;
    ~ExportFile();  // removes it unless it is finished

    void begin(const std::vector<Column>& columns);
    // Whole rows (row_bytes.h). Errors: resource_exhausted beyond its bytes, unavailable for a disk
    // that is full.
    void append(std::string_view rows);
    void finish();

    const std::string& path() const noexcept { return path_; }
    std::int64_t rows() const noexcept { return rows_; }
    std::int64_t bytes() const noexcept { return bytes_; }

private:
    void write(const std::string& text);

    const std::string path_;
    const std::int64_t bytes_max_;
    std::ofstream file_;
    std::vector<Column> columns_;
    std::int64_t rows_ = 0, bytes_ = 0;
    bool is_finished_ = false;
};

// The columns of a statement that gave no row: the server names them only beside rows.
std::vector<Column> columns_of_nothing(Client& client, std::string_view statement,
                                       const QuestionBounds& bounds);

}  // namespace loadstone::analytics::clickhouse
