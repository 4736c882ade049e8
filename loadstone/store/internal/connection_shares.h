#pragma once
// How many connections a process may have, and for what: pure, by table. ADR 0022.

#include <cstddef>

namespace loadstone::store::internal {

// What a server says, asked under the lock that all who negotiate take.
struct ServerRoom {
    std::size_t connections_max = 0, reserved = 0;  // of them for superusers
    std::size_t open = 0;                           // of all clients
    std::size_t nodes = 0;                          // this one with them
    std::size_t declared_by_others = 0;
};

// What a process can do with.
struct ConnectionNeed {
    std::size_t least = 0, most = 0;
};

// What a process may have open, and what it lets the others count with: declared >= granted.
struct Holding {
    std::size_t granted = 0, declared = 0;
    bool operator==(const Holding&) const = default;
};

// Of a server's connections those that the nodes share.
std::size_t shared_connections(const ServerRoom& room, int left_percent);
// What each node is to have in the end.
std::size_t target_of(const ServerRoom& room, const ConnectionNeed& need, int left_percent);
// The next step. `own_open` are open now. Fewer at once, but declared is what was declared until
// the next step, and then no less than is still open. More only so far as neither what others have
// declared nor what is open on the server stands against it; less than `least` is no use.
Holding next_holding(const ServerRoom& room, const ConnectionNeed& need, int left_percent,
                     const Holding& now, std::size_t own_open);

// What the connections are for.
struct ConnectionCounts {
    std::size_t writes = 0;      // that of the lease with them
    std::size_t reads = 0;       // the first of each loop
    std::size_t more_reads = 0;  // a loop's second and third
    std::size_t heavy = 0;       // of heavy reads, the first of each loop
    std::size_t more_heavy = 0;
    std::size_t others = 0;  // to listen, to notify, to watch, to negotiate, to sample plans
    bool operator==(const ConnectionCounts&) const = default;
};

std::size_t sum(const ConnectionCounts& counts) noexcept;
// `least` if it is not more than that; what is above it goes half to writes, a quarter each to
// reads and heavy reads, where there are no writes half each, up to `most`, and what one of them
// cannot use to the others.
ConnectionCounts split(std::size_t granted, const ConnectionCounts& least,
                       const ConnectionCounts& most);

}  // namespace loadstone::store::internal
