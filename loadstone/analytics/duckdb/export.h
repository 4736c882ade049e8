#pragma once
// One export: the result of a SELECT as a file, Parquet or CSV, in the folder for exports. The
// SELECT runs where every query does, and can read no file; the file is written by a second DuckDB
// (file_writer.h), which is given the rows as they come.

#include <string>

#include "loadstone/analytics/duckdb/database.h"
#include "loadstone/analytics/duckdb/file_writer.h"
#include "loadstone/analytics/duckdb/watch.h"

namespace loadstone::analytics::duckdb {

struct ExportOptions {
    std::string folder;  // of this process alone: it is emptied when the process starts
    int memory_mb = 256;
};

// Rows and bytes, as a row of two integers.
std::string to_body(const WrittenFile& written);

// Removes what other processes have left, and makes the folder.
void clear_exports(const ExportOptions& options);

// The body of an `export` frame; sends `columns` and `rows` on `fd`: rows, bytes of the file. The
// caller sends the end. If it fails, no file is left. Errors: as run_query; invalid_argument for a
// name that is not [a-z0-9-]+ with .parquet or .csv; resource_exhausted beyond its bytes, or when
// the disk is full.
void run_export(Connection& on, const ExportOptions& options, Watch& watch, int fd,
                std::string_view body);

}  // namespace loadstone::analytics::duckdb
