#pragma once
// ReplicaChoice: which replica a read goes to. Pure: what is known of each replica and what the
// read must see in, a decision out.
//
// A replica takes part if it is healthy, connected, of the history that counts and not late. Of
// those that are at or past what the read must see, the one with the fewest reads under way is
// chosen; one that gathers a batch counts as if it had `batch_worth` less, since a read that joins
// it spares both sides a round trip. If none is there, the read waits while one is likely to be
// there soon: one that is far behind, paused or delayed is not waited for, or each read would pay
// for it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "loadstone/runtime/freshness.h"

namespace loadstone::store::internal {

struct ReplicaView {
    bool is_healthy = false;  // answers, is a standby of this database
    bool is_connected = false;
    bool is_late = false;       // too far behind for any read but one that may be given what is old
    std::uint32_t history = 0;  // that it follows
    std::uint64_t at = 0;       // it shows this at least
    // How long ago all that it shows at least was all that there was; how far it was behind when
    // it was last looked at.
    std::chrono::nanoseconds age{0};
    std::chrono::nanoseconds lag{0};
    std::size_t reads = 0;      // under way
    bool is_gathering = false;  // this loop has a batch for it that has not been sent
};

// A replica that will do has both.
struct ReadDemand {
    runtime::Position at_least;
    std::optional<std::chrono::nanoseconds> age_max{};
};

struct ReplicaDecision {
    enum class Kind { replica, wait, none };
    Kind kind = Kind::none;
    std::size_t replica = 0;

    friend bool operator==(const ReplicaDecision&, const ReplicaDecision&) = default;
};

// A replica that was further behind is not about to be there. Lag is known as exactly as servers
// are asked often, and on a busy machine they are asked less often than they should be.
inline constexpr std::chrono::milliseconds near_lag_max{1'000};

// A round trip costs a server as much as some three reads in a batch, and the application as much
// again; batches of as many reads as this leave little of that to be spared.
inline constexpr std::size_t batch_worth = 8;

// `history` is the one that counts, 0 if it is not known. `turn` decides between equals.
ReplicaDecision choose_replica(std::span<const ReplicaView> replicas, std::uint32_t history,
                               const ReadDemand& demand, std::size_t turn = 0);
// The one that is furthest, whatever a read must see: for an answer that may be stale.
std::optional<std::size_t> furthest_replica(std::span<const ReplicaView> replicas,
                                            std::uint32_t history);

}  // namespace loadstone::store::internal
