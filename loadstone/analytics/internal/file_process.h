#pragma once
// FileProcess: loadstone-duckdb, started to write one Parquet file of rows that this process has,
// and has no library to write. It ends with this process.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/protocol.h"
#include "loadstone/analytics/internal/spawn.h"
#include "loadstone/analytics/options.h"

namespace loadstone::analytics::internal {

class FileProcess {
public:
    using Clock = std::chrono::steady_clock;
    struct Written {
        std::int64_t rows = 0, bytes = 0;
    };

    // Into the open `file`. Errors of all: unavailable if the process cannot be started or has
    // gone, or the disk is full; resource_exhausted beyond `bytes_max` or the process's memory,
    // half of Options::memory_mb; deadline_exceeded at `end`.
    FileProcess(const Options& options, int file, std::int64_t bytes_max, Clock::time_point end);
    FileProcess(const FileProcess&) = delete;
    FileProcess& operator=(const FileProcess&) = delete;
    ~FileProcess();  // ends it, and waits

    // First, once.
    void begin(const std::vector<Column>& columns);
    // Whole rows (row_bytes.h); waits while the process has enough to do.
    void append(std::string_view rows);
    Written finish();
    // From any thread: the calls above fail (unavailable).
    void stop() noexcept;

private:
    int left_ms() const;
    void send(FrameKind kind, std::string_view body);

    const Child child_;
    const std::int64_t bytes_max_;
    const Clock::time_point end_;
    std::vector<Column> columns_;
};

}  // namespace loadstone::analytics::internal
