// loadstone-duckdb: the column store of a server, as a process of its own, so that a heavy query
// can take neither the server's memory nor its life. The server starts it and holds the other end
// of its standard input, a socket: it gets a byte when the store is open, and when that end is
// gone, so is the server, and this process ends.
//
//   loadstone-duckdb FILE SOCKET TEMPORARY MEMORY_MB DISK_MB THREADS CONNECTIONS_MAX
//                    ROLLUP_RECENT_ROWS
//
// Or it writes one file, open as 3, of rows that come on its standard input, and ends (stream.h):
//
//   loadstone-duckdb --write MEMORY_MB

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "loadstone/analytics/duckdb/service.h"
#include "loadstone/analytics/duckdb/stream.h"
#include "loadstone/analytics/internal/spawn.h"

namespace {

void end_with_the_server() {
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    ::_exit(0);  // whatever has been committed is on disk
}

int number(std::string_view text) {
    int value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size() || value <= 0)
        throw loadstone::Error(loadstone::Errc::invalid_argument,
                               fmt::format("\"{}\" is no number above 0", text));
    return value;
}

// What the process may have in memory. Behind memory_mb there is room for an export's second
// DuckDB, which has half of it, and for threads' stacks and what is freed and not yet given back.
std::int64_t resident_max(int memory_mb, int threads) {
    return (std::int64_t{memory_mb} * 3 / 2 + 512 + std::int64_t{threads} * 16) << 20U;
}

// Should the watch of that be too late, on a machine that is busy: what is mapped counts, also when
// it has been freed, so the bound is wide.
void bound_mappings(int memory_mb, int threads) {
    const auto bytes = static_cast<rlim_t>(4 * resident_max(memory_mb, threads));
    const rlimit bound{bytes, bytes};
    if (::setrlimit(RLIMIT_DATA, &bound) != 0)
        fmt::print(stderr, "loadstone-duckdb: its memory has no bound: setrlimit failed\n");
}

// Its rows end with the server, and so does this.
int write_one_file(std::string_view memory_mb) {
    const std::string file = fmt::format("/proc/self/fd/{}", loadstone::file_of_child);
    try {
        bound_mappings(number(memory_mb), 1);
        loadstone::analytics::duckdb::write_stream(STDIN_FILENO, file, number(memory_mb));
    } catch (const std::exception&) {
        return 1;  // the server has gone
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace loadstone::analytics::duckdb;
    const bool writes_file = argc == 3 && std::string_view(argv[1]) == "--write";
    if (argc != 9 && !writes_file) {
        fmt::print(stderr, "loadstone-duckdb is started by a Loadstone server\n");
        return 2;
    }
    // When the machine is out of memory, this process is what can go best.
    std::ofstream("/proc/self/oom_score_adj") << 800;
    if (writes_file) return write_one_file(argv[2]);
    const std::jthread lifeline(end_with_the_server);
    try {
        DatabaseOptions options;
        options.file = argv[1];
        options.temporary = argv[3];
        options.memory_mb = number(argv[4]);
        options.temporary_mb = number(argv[5]);
        options.threads = number(argv[6]);
        bound_mappings(options.memory_mb, options.threads);
        options.rollup_recent_rows = number(argv[8]);
        Database database(options);
        ServiceOptions service;
        service.exports.folder =
            (std::filesystem::path(options.file).parent_path() / "exports").string();
        service.exports.memory_mb = options.memory_mb / 2;
        clear_exports(service.exports);
        service.socket = argv[2];
        service.connections_max = number(argv[7]);
        service.resident_max = resident_max(options.memory_mb, options.threads);
        serve(database, service);
    } catch (const std::exception& error) {
        fmt::print(stderr, "loadstone-duckdb: {}\n", error.what());
        std::fflush(stderr);
        ::_exit(1);
    }
}
