#pragma once
// ReadRouter: where the reads of one loop run when there are replicas.
//
// A read goes to the replica that replica_choice.h names. While it waits for one, all are asked
// again and again where they are, the primary too: a position that the primary itself has not
// reached belongs to no history that there is, and is taken back to where the primary is. When the
// wait is over the primary reads, for `fallback_max` at a time; beyond that, and for heavy reads
// always, there is an answer that is older than asked for, where that is wanted, or none.

#include <array>
#include <memory>
#include <vector>

#include "loadstone/store/internal/replica_choice.h"
#include "loadstone/store/postgres/internal/loop_reads.h"
#include "loadstone/store/postgres/internal/servers.h"

namespace loadstone::store::postgres {

// Counted and bounded for all loops together.
struct ReadRouting {
    ReadRouting(const ReplicaOptions& options, telemetry::Registry& registry);
    ~ReadRouting();
    ReadRouting(const ReadRouting&) = delete;
    ReadRouting& operator=(const ReadRouting&) = delete;

    const ReplicaOptions options;
    telemetry::Registry& registry;
    std::atomic<std::size_t> fallbacks_under_way{0};
    telemetry::Counter& latest;
    telemetry::Counter& fallbacks;
    telemetry::Counter& waits;
    telemetry::Counter& refused;
    telemetry::Counter& stale;
    telemetry::Counter& moved;
    telemetry::Counter& taken_back;
};

class ReadRouter {
public:
    struct Replica {
        std::shared_ptr<LoopReads> reads, heavy;
    };

    // Of `primary` and `replicas` each the reads of this loop; a replica for each of `servers`.
    ReadRouter(Servers& servers, ReadRouting& routing, std::shared_ptr<LoopReads> primary,
               std::vector<Replica> replicas)
        : servers_(servers),
          routing_(routing),
          primary_(std::move(primary)),
          replicas_(std::move(replicas)),
          views_(replicas_.size()) {}

    Task<RunResult> run(Context& context, StatementRef statement, std::span<const Value> values,
                        RowSink sink);
    void start();
    // After the budget of connections to a replica has changed; on the loop.
    void fit(std::size_t replica);
    // Every `ask_every`, on the loop: asks who has not told for so long, and gives up who is
    // silent.
    void tick();
    void stop();

private:
    struct Read;  // one that looks for a place
    struct Visit;

    Task<void> read_on(std::size_t replica, Read& read, std::uint64_t at_least);
    Task<RunResult> read_on_primary(Read& read);
    Task<RunResult> fall_back(Read& read);
    Task<void> read_stale(Read& read);
    Error refused(std::string message);
    Task<bool> wait(Read& read);
    void begin_to_wait(Read& read);
    void look(bool is_heavy);
    internal::ReplicaDecision choose(const Read& read);
    void settle(Read& read) const;
    LoopReads& reads_of(std::size_t replica, bool is_heavy);

    Servers& servers_;
    ReadRouting& routing_;
    const std::shared_ptr<LoopReads> primary_;
    const std::vector<Replica> replicas_;
    std::vector<internal::ReplicaView> views_;
    std::size_t turn_ = 0;
    bool heavy_is_open_ = false;
};

}  // namespace loadstone::store::postgres
