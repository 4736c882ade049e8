#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace loadstone::analytics {

struct Options {
    std::string store;    // http://USER:PASSWORD@HOST:PORT/DATABASE of ClickHouse; empty: DuckDB
    std::string folder;   // of the column store: its file, what queries hold beyond memory
    std::string socket;   // of its process; its folder is of this user alone
    std::string program;  // loadstone-duckdb; empty: beside the running program
    int memory_mb = 512;  // of its process: what a query holds beyond is on disk, to disk_mb
    int disk_mb = 4'096;
    int threads = 1;
    // Of a rollup, since its last merge: or a 64th of its rows, if that is more (duckdb/rollups.h).
    std::int64_t rollup_recent_rows = 20'000;
    std::int64_t batch_facts = 10'000;  // carried in one transaction
    std::int64_t waiting_max = 5'000'000;
    std::chrono::milliseconds lag_max{600'000};  // beyond, the log and `analytics status` say why
    // A question whose answer would show an older state is `unavailable`. 0: it is answered, and
    // says as of when.
    std::chrono::milliseconds answer_lag_max{0};
    // Whether this server makes a DuckDB in an empty folder: not one that runs no jobs, since those
    // that ask the store (exports) run where it is.
    bool makes_store = true;
    std::chrono::milliseconds poll_every{200};
    std::chrono::milliseconds apply_timeout{60'000};
    std::chrono::milliseconds lease{10'000};  // of who feeds a store that several servers reach
    int queries_max = 4;                      // at once, of this process
    std::size_t query_queue_max = 64;
    std::int64_t query_rows_max = 100'000;
    std::int64_t query_bytes_max = 16 << 20;
    std::uint64_t answers_bytes_max = 32 << 20;         // of answers that are kept; 0: none are
    std::int64_t export_mb_max = 2'048;                 // of one file
    std::chrono::milliseconds export_timeout{600'000};  // the context's deadline may be sooner
    std::chrono::milliseconds query_timeout{30'000};    // the context's deadline may be sooner
};

// Of Options::store. Errors: invalid_argument, without the URL in it.
void check_store_url(const std::string& url);

}  // namespace loadstone::analytics
