#pragma once
// Rows that a server sends (internal/file_process.h) as a Parquet file.

#include <string>

namespace loadstone::analytics::duckdb {

// Reads the frames on the socket `fd` and answers there; the file is open as `path`. Back when all
// is said. Throws Error if there is nobody to say it to.
void write_stream(int fd, const std::string& path, int memory_mb);

}  // namespace loadstone::analytics::duckdb
