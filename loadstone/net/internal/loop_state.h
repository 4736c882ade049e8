#pragma once
// What the connections of one loop share. Used on that loop's thread only.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "loadstone/base/random.h"
#include "loadstone/net/internal/gzip.h"
#include "loadstone/net/internal/server_state.h"
#include "loadstone/net/internal/socket.h"

namespace loadstone::net::internal {

class Connection;  // NOLINT(cppcoreguidelines-virtual-class-destructor): it is final

// Links of all connections of the loop, so that one timer can look at all their deadlines.
class ConnectionList {
public:
    void add(Connection& connection) noexcept;
    void remove(Connection& connection) noexcept;
    Connection* first() const noexcept { return first_; }
    // Null behind the last.
    static Connection* next(const Connection& connection) noexcept;

private:
    Connection* first_ = nullptr;
};

struct LoopState {
    // How often deadlines are looked at: they are met late by this much, never early.
    static constexpr std::chrono::milliseconds tick{100};

    LoopState(ServerState& server_state, int loop_index, LoopExecutor loop_executor);

    // At each tick: clock and date. Then the connections that are due are ended.
    void advance();

    std::int64_t now_ms() const noexcept { return now_ms_; }
    std::string_view date_line() const noexcept { return date_line_; }
    // 16 hexadecimal digits.
    void make_request_id(std::array<char, 64>& id) noexcept;
    std::uint64_t next_span_id() noexcept { return ++span_ids_; }

    ServerState& server;
    const int index;
    const LoopExecutor executor;
    telemetry::Shard* shard = nullptr;  // the loop thread's, from its first turn on
    ConnectionList connections;
    Gzip gzip;

private:
    std::int64_t now_ms_ = 0;  // steady clock, of the last tick
    std::int64_t date_second_ = 0;
    std::string date_line_;
    Random random_;
    std::uint64_t span_ids_;
};

}  // namespace loadstone::net::internal
