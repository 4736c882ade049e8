#include "loadstone/store/internal/connection_shares.h"

#include <algorithm>

namespace loadstone::store::internal {

namespace {

std::size_t minus(std::size_t from, std::size_t what) { return from - std::min(from, what); }

// Takes up to `count` of `rest` for `into`.
void give(std::size_t& into, std::size_t most, std::size_t count, std::size_t& rest) {
    const std::size_t given = std::min({count, minus(most, into), rest});
    into += given;
    rest -= given;
}

}  // namespace

std::size_t shared_connections(const ServerRoom& room, int left_percent) {
    const std::size_t usable = minus(room.connections_max, room.reserved);
    const auto percent = static_cast<std::size_t>(left_percent);
    return minus(usable, (usable * percent + 99) / 100);
}

std::size_t target_of(const ServerRoom& room, const ConnectionNeed& need, int left_percent) {
    const std::size_t each =
        shared_connections(room, left_percent) / std::max<std::size_t>(room.nodes, 1);
    return std::clamp(each, need.least, std::max(need.least, need.most));
}

Holding next_holding(const ServerRoom& room, const ConnectionNeed& need, int left_percent,
                     const Holding& now, std::size_t own_open) {
    const std::size_t target = target_of(room, need, left_percent);
    if (target < now.granted) return {target, now.declared};
    if (target == now.granted) return {target, std::max(target, own_open)};
    const std::size_t undeclared =
        minus(shared_connections(room, left_percent), room.declared_by_others);
    const std::size_t of_others = minus(room.open, own_open);
    const std::size_t unoccupied = minus(minus(room.connections_max, room.reserved), of_others);
    const std::size_t may_hold = std::min({undeclared, unoccupied, target});
    const std::size_t granted =
        may_hold < need.least ? now.granted : std::max(now.granted, may_hold);
    return {granted, std::max(granted, own_open)};
}

std::size_t sum(const ConnectionCounts& counts) noexcept {
    return counts.writes + counts.reads + counts.more_reads + counts.heavy + counts.more_heavy +
           counts.others;
}

ConnectionCounts split(std::size_t granted, const ConnectionCounts& least,
                       const ConnectionCounts& most) {
    ConnectionCounts counts = least;
    std::size_t rest = minus(granted, sum(least));
    const std::size_t part = rest / (most.writes > least.writes ? 4 : 2);
    give(counts.more_reads, most.more_reads, part, rest);
    give(counts.more_heavy, most.more_heavy, part, rest);
    give(counts.writes, most.writes, rest, rest);
    give(counts.more_reads, most.more_reads, rest, rest);
    give(counts.more_heavy, most.more_heavy, rest, rest);
    return counts;
}

}  // namespace loadstone::store::internal
