#pragma once
// LoopReads: the single reads of one loop.
//
// Most go through one pipelined connection. Statements that were quick when they ran last share
// batches; one that is not known yet, or takes long, is a batch of its own, and one that takes
// long keeps away from the first connection. While a server has been busy with one batch for
// longer than `stuck_after`, newer reads go to another connection; after `move_after`, those that
// wait behind it do too. There are at most `connections_max` connections, opened when they are
// needed.
//
// At most `depth_max` reads are under way; `waiting_max` more wait for their turn or for a
// connection, until their deadlines. A read whose connection is lost runs again on another if it
// has not given rows out yet: a read changes nothing.
//
// Where there are replicas, each connection is asked where its server is before it is used, and
// after each batch. The reads of a replica then run only on connections that are known to be far
// enough, and what is lost there is not sent again but given back to ReadRouter: the server that
// comes back may be further behind.

#include <array>
#include <memory>
#include <unordered_map>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/connection.h"
#include "loadstone/store/postgres/internal/connector.h"
#include "loadstone/store/postgres/internal/deadlines.h"
#include "loadstone/store/postgres/internal/metrics.h"
#include "loadstone/store/postgres/internal/pipeline.h"

namespace loadstone::store::postgres {

struct LoopReadsOptions {
    std::size_t depth_max = 256;
    std::chrono::milliseconds statement_timeout_max{30'000};
    bool is_pooled = false;
    bool tells_positions = false;
    bool is_replica = false;
    std::size_t replica = 0;  // its place in servers_of()
    // Of its connections.
    Purpose first = Purpose::reads, more = Purpose::more_reads;
};

// Where a read must be, and what became of it.
struct ReadPlace {
    std::uint64_t at_least = 0;
    std::optional<ServerPosition> seen{};
    // It failed, gave no rows, and may succeed on another server; on the primary alone.
    bool may_go_elsewhere = false, needs_primary = false;
};

class LoopReads final : public std::enable_shared_from_this<LoopReads>,
                        private PipelineOwner,
                        private OperationOwner {
public:
    static constexpr std::size_t connections_max = 3;
    static constexpr std::size_t waiting_factor = 16;  // waiting_max = this * depth_max
    static constexpr std::chrono::milliseconds stuck_after{5};
    static constexpr std::chrono::milliseconds long_after{10};
    static constexpr std::chrono::milliseconds move_after{20};
    static constexpr std::chrono::milliseconds cancel_grace{2'000};
    static constexpr int losses_max = 3;  // connections that one read may lose

    LoopReads(const runtime::Executor& executor, const LoopReadsOptions& options,
              std::shared_ptr<Connector> connector, std::shared_ptr<Deadlines> deadlines,
              Canceller& canceller, Metrics& metrics, runtime::TaskScope& tasks);

    // Opens the first connection; of a replica, as soon as the budget has one.
    void start();
    void stop();
    Task<RunResult> run(Context& context, StatementRef statement, std::span<const Value> values,
                        RowSink sink, ReadPlace& place);
    // What the first connection is known to be at; none without one that is to stay.
    std::optional<Pipeline::KnownPosition> known_position() const;
    // What runs now shares a batch with others on the first connection.
    bool is_gathering() const noexcept {
        return slots_[0].pipeline != nullptr && slots_[0].pipeline->is_gathering();
    }
    // On each connection that is open and does not wait for an answer already.
    void ask_positions();
    // Closes connections to a primary of an older history.
    void drop_older(std::uint32_t history);
    // Closes what is beyond the budget as soon as it is idle: the first, of which each loop has
    // one, only where a replica is not to be used. Opens that where it may be used again.
    void fit();
    // Closes all: their server does not answer any more.
    void drop_all(const Error& why);
    // From any thread.
    std::size_t under_way() const noexcept { return depth_.load(std::memory_order_relaxed); }

private:
    struct Slot {
        std::shared_ptr<Pipeline> pipeline;
        bool is_connecting = false;
        bool is_retiring = false;  // gets no more, and is closed when it is idle
    };

    void lost(Pipeline& pipeline, const Error& why, OperationQueue& unfinished) override;
    void ended(Operation& operation) noexcept override;
    Error unsent_error(const Operation& operation) override;

    void admit(Operation& operation);
    void dispatch();
    Slot* choose(const Operation& operation);
    bool is_stuck(const Slot& slot) const noexcept;
    void connect(Slot& slot);
    Task<void> connect_slot(Slot& slot);
    Task<std::shared_ptr<Pipeline>> open_pipeline(bool is_first);
    Task<void> greet(Pipeline& pipeline);
    bool is_far_enough(const Slot& slot, const Operation& operation) const noexcept;
    bool can_serve(const Operation& operation) const noexcept;
    void give_back(OperationQueue& operations, const Error& why);
    bool look();
    void learn(const Operation& operation);
    void sample(const Operation& operation, bool failed) const;
    void move_waiting(Slot& slot);
    void wait_again(OperationQueue& operations);
    void watch_front(Pipeline& pipeline);

    const runtime::Executor executor_;
    const LoopReadsOptions options_;
    const std::shared_ptr<Connector> connector_;
    const std::shared_ptr<Deadlines> deadlines_;
    Canceller& canceller_;
    Metrics& metrics_;
    runtime::TaskScope& tasks_;

    std::array<Slot, connections_max> slots_;
    OperationQueue waiting_;
    std::size_t waiting_count_ = 0;
    std::atomic<std::size_t> depth_{0};
    bool is_started_ = false, is_stopped_ = false;
    const runtime::Services no_services_;
    // What is known of statements: 0 is quick; above, it took long, and as many quick runs forget
    // it.
    std::unordered_map<const void*, int> slowness_;
};

}  // namespace loadstone::store::postgres
