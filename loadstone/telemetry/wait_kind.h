#pragma once
// What a span can wait for. The order is that of tables and metrics.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loadstone::telemetry {

enum class WaitKind : std::uint8_t {
    admission,      // a bulkhead's queue
    run_queue,      // ready, but the loop, lane or CPU was busy with others
    pool,           // a connection of a bounded pool
    lock,           // the writer's turn, a row or table lock, a semaphore
    database,       // a statement under way
    disk,           // fsync of a commit, files
    external_host,  // SMTP, HTTP to others
};

inline constexpr std::size_t wait_kind_count = 7;
inline constexpr std::array<std::string_view, wait_kind_count> wait_kind_names{
    "admission", "run_queue", "pool", "lock", "database", "disk", "external_host"};

}  // namespace loadstone::telemetry
