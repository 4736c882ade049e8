#include "loadstone/store/internal/replica_choice.h"

namespace loadstone::store::internal {

namespace {

bool takes_part(const ReplicaView& replica, std::uint32_t history) {
    return replica.is_healthy && replica.is_connected &&
           (history == 0 || replica.history == history);
}

bool is_there(const ReplicaView& replica, const ReadDemand& demand) {
    if (demand.age_max && replica.age > *demand.age_max) return false;
    return replica.history >= demand.at_least.history && replica.at >= demand.at_least.at;
}

std::size_t load(const ReplicaView& replica) {
    return replica.reads + (replica.is_gathering ? 0 : batch_worth);
}

}  // namespace

ReplicaDecision choose_replica(std::span<const ReplicaView> replicas, std::uint32_t history,
                               const ReadDemand& demand, std::size_t turn) {
    ReplicaDecision decision;
    for (std::size_t i = 0; i < replicas.size(); ++i) {
        const std::size_t at = (turn + i) % replicas.size();
        const ReplicaView& replica = replicas[at];
        if (!takes_part(replica, history) || replica.is_late) continue;
        if (!is_there(replica, demand)) {
            if (decision.kind == ReplicaDecision::Kind::none && replica.lag <= near_lag_max)
                decision.kind = ReplicaDecision::Kind::wait;
            continue;
        }
        if (decision.kind != ReplicaDecision::Kind::replica ||
            load(replica) < load(replicas[decision.replica])) {
            decision = {ReplicaDecision::Kind::replica, at};
        }
    }
    return decision;
}

std::optional<std::size_t> furthest_replica(std::span<const ReplicaView> replicas,
                                            std::uint32_t history) {
    std::optional<std::size_t> furthest;
    for (std::size_t i = 0; i < replicas.size(); ++i) {
        if (!takes_part(replicas[i], history)) continue;
        if (!furthest || replicas[i].at > replicas[*furthest].at) furthest = i;
    }
    return furthest;
}

}  // namespace loadstone::store::internal
