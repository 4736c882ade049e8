#pragma once
// FileWriter: rows that come, as a file, Parquet or CSV. It is a DuckDB in memory that runs one
// statement of its own; its rows are given chunk by chunk, so memory stays flat.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "loadstone/analytics/duckdb/database.h"

namespace loadstone::analytics::duckdb {

struct RowSource {
    std::vector<std::string> names{};
    std::vector<duckdb_type> types{};
    // Puts the next rows into the chunk, a vector's at most, and gives how many; 0: the end. Called
    // on one thread.
    std::function<idx_t(duckdb_data_chunk)> next{};
};

struct WrittenFile {
    std::int64_t rows = 0, bytes = 0;
};

class FileWriter {
public:
    // Errors: resource_exhausted.
    explicit FileWriter(int memory_mb) : database_(memory_mb), connection_(database_.handle) {}

    // To be interrupted: its statement is cancelled.
    Connection& connection() noexcept { return connection_; }
    // Once. `path` is that of the caller, also of a file that is open. Errors: of `source`;
    // resource_exhausted beyond `bytes_max`, or for memory; unavailable for the disk; cancelled.
    WrittenFile write(const RowSource& source, const std::string& path, std::uintmax_t bytes_max,
                      bool is_parquet);

private:
    struct InMemory {
        explicit InMemory(int memory_mb);
        InMemory(const InMemory&) = delete;
        InMemory& operator=(const InMemory&) = delete;
        ~InMemory() { duckdb_close(&handle); }
        duckdb_database handle = nullptr;
    };
    InMemory database_;
    Connection connection_;
};

}  // namespace loadstone::analytics::duckdb
