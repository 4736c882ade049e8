#pragma once
// Readers: how statements of Reader run. Each loop has a connection that cannot write, and reads
// run on it in place, on the loop, within a step budget. What exceeds the budget is interrupted,
// moves to the reader lane and is remembered as heavy (HeavyStatements).
//
// A loop's reads share a snapshot as long as nobody commits: it is checked before each read
// (WalIndex), renewed when anybody has committed, and given up when the loop has worked off what
// was ready, so that it never holds up a checkpoint. Beginning a snapshot costs as much as a read
// by key.
//
// A read that moves takes the loop's connection with it, snapshot and all: it runs again from its
// start there, and the rows that the sink has had are skipped; in one snapshot a statement gives
// the same rows in the same order. The loop takes another connection from the pool. When
// `away_max` connections are on the lane, reads go there without trying the loop first.
//
// A read that is to be in pieces (Reading::in_pieces) runs on a connection and a stack of its own
// and stops each `piece_steps`; it goes on in the loop's next turn (runtime::Fiber). One at a time
// on each loop.
//
// On the lane the sink is called on the lane's thread while the caller is suspended: rows are
// never buffered.

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "loadstone/runtime/fiber.h"
#include "loadstone/runtime/lane.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/store/internal/module_gates.h"
#include "loadstone/store/sqlite/handle.h"
#include "loadstone/store/sqlite/heavy_statements.h"
#include "loadstone/store/sqlite/wal_index.h"

namespace loadstone::store::sqlite {

struct ReaderOptions {
    std::uint64_t inline_steps_max = 20'000;
    int piece_steps = 150;  // of a read that lets others go on in its middle
    int threads = 2;
    std::chrono::milliseconds busy_timeout{5'000};
    std::vector<ModuleShare> shares;  // of the lane's threads
};

// Connections that wait for use. Thread-safe.
class ReaderPool {
public:
    ReaderPool(const FileOptions& file, std::size_t idle_max) : file_(file), idle_max_(idle_max) {}

    std::unique_ptr<Handle> take();  // opens one if there is none; throws as Handle does
    void give(std::unique_ptr<Handle> handle) noexcept;
    // Those given later are closed.
    void close() noexcept;

private:
    const FileOptions& file_;
    const std::size_t idle_max_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Handle>> idle_;
    bool closed_ = false;
};

class LoopReader;

class Readers {
public:
    static constexpr std::size_t away_max = 8;
    static constexpr std::size_t lane_queue_max = 1024;

    Readers(const FileOptions& file, const ReaderOptions& options);
    ~Readers();
    Readers(const Readers&) = delete;
    Readers& operator=(const Readers&) = delete;

    void start(runtime::Loops& loops);
    // Connections are closed; reads fail with unavailable. From any thread but a loop.
    void stop();
    // Of the calling loop; on other threads one whose reads all run on the lane.
    LoopReader& of_this_loop();

private:
    friend class LoopReader;
    struct Metrics;

    const FileOptions& file_;
    const ReaderOptions options_;
    std::unique_ptr<Metrics> metrics_;
    ReaderPool pool_;
    internal::ModuleGates gates_;
    std::atomic<std::size_t> away_{0};  // connections that moved to the lane
    std::vector<std::shared_ptr<LoopReader>> loops_;
    std::shared_ptr<LoopReader> outside_;
    std::unique_ptr<runtime::Lane> lane_;
};

class LoopReader final : public Connection, public std::enable_shared_from_this<LoopReader> {
public:
    // `loop` -1: no loop.
    LoopReader(Readers& readers, runtime::Executor executor, int loop)
        : readers_(&readers), executor_(std::move(executor)), loop_(loop) {}

    Task<RunResult> run(Context& context, StatementRef statement, std::span<const Value> values,
                        RowSink sink) override;
    // See CommitVersion.
    std::optional<WalIndex::Version> commit_version();
    void close();

private:
    // What is left to do for a read that moves to the lane.
    struct Moved {
        std::unique_ptr<Handle> handle;  // in its snapshot; null: any connection
        std::uint64_t rows_skipped = 0;
    };

    bool runs_here(const StatementRef& statement);
    std::optional<RunResult> run_here(Context& context, const StatementRef& statement,
                                      std::span<const Value> values, RowSink sink, Moved& moved);
    Task<std::optional<RunResult>> run_in_pieces(Context& context, StatementRef statement,
                                                 std::span<const Value> values, RowSink sink,
                                                 Moved& moved);
    RunLimits limits_here() const;
    std::optional<RunResult> ended_here(const StatementRef& statement,
                                        const Handle::Outcome& outcome,
                                        std::unique_ptr<Handle>& handle, Moved& moved);
    Task<RunResult> run_on_lane(Context& context, StatementRef statement,
                                std::span<const Value> values, RowSink sink, Moved moved);
    bool ensure_snapshot();
    void release_soon();
    void release();
    void drop_handle() noexcept;

    Readers* readers_;
    runtime::Executor executor_;
    const int loop_;

    std::mutex mutex_;  // against close(); otherwise one thread uses this
    bool closed_ = false;
    std::unique_ptr<Handle> handle_;
    WalIndex wal_index_;
    WalIndex::Version snapshot_{};
    bool in_snapshot_ = false;
    bool release_posted_ = false;
    HeavyStatements heavy_;

    // Of reads in pieces: one at a time, so that each turn of the loop has one piece.
    runtime::Semaphore piecewise_{1, runtime::Semaphore::count_max};
    std::unique_ptr<runtime::Fiber> fiber_;
};

}  // namespace loadstone::store::sqlite
