#pragma once
// analytics::export_rows(context, statement, name, values...): what the statement gives, as a file
// that the store's process writes in its own folder: Parquet or CSV, by the name's ending. The
// statement itself can read and write no files. With ClickHouse this process writes CSV, and gives
// the rows of Parquet to a loadstone-duckdb of its own.
//
//     const auto file = co_await analytics::export_rows(context, activity, "7-1.parquet", owner);
//     file.path();  // until `file` goes; for this process
//
// Limits: export_mb_max (resource_exhausted), of ClickHouse's answer ten times as much;
// export_timeout or the context's deadline. What is in the midst when either process ends is gone,
// and begun anew by who asks again.

#include <memory>
#include <span>
#include <string>

#include "loadstone/analytics/query.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::analytics {

class ExportedFile {
public:
    ExportedFile() = default;
    // `kept_by`: while it lives, the file is there; without, it is removed by its path.
    ExportedFile(std::string path, std::int64_t rows, std::int64_t bytes, Timestamp as_of,
                 std::shared_ptr<const void> kept_by)
        : path_(std::move(path)),
          rows_(rows),
          bytes_(bytes),
          as_of_(as_of),
          kept_by_(std::move(kept_by)) {}
    ExportedFile(ExportedFile&& other) noexcept { *this = std::move(other); }
    ExportedFile& operator=(ExportedFile&& other) noexcept;
    ~ExportedFile();  // it is gone

    const std::string& path() const noexcept { return path_; }
    std::int64_t rows() const noexcept { return rows_; }
    std::int64_t bytes() const noexcept { return bytes_; }
    Timestamp as_of() const noexcept { return as_of_; }

private:
    std::string path_;  // empty: none
    std::int64_t rows_ = 0, bytes_ = 0;
    Timestamp as_of_;
    std::shared_ptr<const void> kept_by_;
};

// `name`: [a-z0-9-]+ and .parquet or .csv; nobody else uses it. Errors: as query.h.
Task<ExportedFile> export_values(Context& context, const Query& query, std::string name,
                                 std::span<const store::Value> values);

template <class... Values>
Task<ExportedFile> export_rows(Context& context, const Query& query, std::string name,
                               const Values&... values) {
    const std::array<store::Value, sizeof...(Values)> bound{store::Value(values)...};
    co_return co_await export_values(context, query, std::move(name), bound);
}

}  // namespace loadstone::analytics
