#include "loadstone/store/sqlite/readers.h"

#include <fmt/core.h>

#include <boost/asio/post.hpp>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/runtime/permit.h"
#include "loadstone/store/sqlite/errors.h"
#include "loadstone/store/sqlite/open_writer.h"

namespace loadstone::store::sqlite {

// ---- ReaderPool ----

std::unique_ptr<Handle> ReaderPool::take() {
    {
        const std::scoped_lock lock(mutex_);
        if (closed_) throw Error(Errc::unavailable, fmt::format("{} is closed", file_.path));
        if (!idle_.empty()) {
            auto handle = std::move(idle_.back());
            idle_.pop_back();
            return handle;
        }
    }
    return open_reader(file_);
}

void ReaderPool::give(std::unique_ptr<Handle> handle) noexcept {
    if (handle == nullptr) return;
    if (handle->in_transaction()) handle->control("rollback");
    if (wants_reopen(handle->last_failure())) return;
    const std::scoped_lock lock(mutex_);
    if (closed_ || idle_.size() >= idle_max_) return;
    idle_.push_back(std::move(handle));
}

void ReaderPool::close() noexcept {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    idle_.clear();
}

// ---- Readers ----

struct Readers::Metrics {
    explicit Metrics(telemetry::Registry& registry)
        : moved(registry.counter("loadstone_store_reads_moved_total",
                                 telemetry::metric_label("database", "sqlite"),
                                 "Reads that exceeded the step budget on a loop")),
          stops(registry.counter("loadstone_store_read_stops_total",
                                 telemetry::metric_label("database", "sqlite"),
                                 "Times that a read let its loop's other work go on")),
          on_lane(registry.counter("loadstone_store_lane_reads_total",
                                   telemetry::metric_label("database", "sqlite"),
                                   "Reads that ran on the reader lane")) {}
    telemetry::Counter& moved;
    telemetry::Counter& stops;
    telemetry::Counter& on_lane;
};

Readers::Readers(const FileOptions& file, const ReaderOptions& options)
    : file_(file),
      options_(options),
      metrics_(std::make_unique<Metrics>(*file.registry)),
      pool_(file, static_cast<std::size_t>(options.threads) + away_max),
      gates_("heavy_reads", options.shares, &ConnectionShare::reads_percent,
             static_cast<std::size_t>(options.threads), lane_queue_max, *file.registry) {}

Readers::~Readers() { stop(); }

void Readers::start(runtime::Loops& loops) {
    runtime::LaneOptions lane;
    lane.name = "reader";
    lane.threads = options_.threads;
    lane.queue_max = lane_queue_max;
    lane_ = std::make_unique<runtime::Lane>(lane, *file_.registry);
    for (int i = 0; i < loops.size(); ++i) {
        loops_.push_back(std::make_shared<LoopReader>(*this, loops.executor(i), i));
    }
    outside_ = std::make_shared<LoopReader>(*this, runtime::Executor(), -1);
}

void Readers::stop() {
    pool_.close();
    for (const auto& reader : loops_) reader->close();
    if (outside_) outside_->close();
    lane_.reset();
}

LoopReader& Readers::of_this_loop() {
    const int loop = runtime::Loops::current();
    LOADSTONE_ASSERT(outside_ != nullptr, "the database is started before it is read");
    if (loop < 0) return *outside_;
    LOADSTONE_ASSERT(static_cast<std::size_t>(loop) < loops_.size(), "one set of loops");
    return *loops_[static_cast<std::size_t>(loop)];
}

// ---- LoopReader ----

Task<RunResult> LoopReader::run(Context& context, StatementRef statement,
                                std::span<const Value> values, RowSink sink) {
    context.throw_if_done(statement.name);
    if (statement.writes) {
        throw Error(Errc::internal,
                    fmt::format("{}: a write was given to a reader", statement.name));
    }
    Moved moved;
    // A heavy one leaves the loop to others from the start.
    if (!context.reading().is_heavy && runs_here(statement)) {
        std::optional<RunResult> result;
        if (context.reading().in_pieces) {
            result = co_await run_in_pieces(context, statement, values, sink, moved);
        } else {
            result = run_here(context, statement, values, sink, moved);
        }
        if (result) co_return *result;
    }
    auto on_lane = run_on_lane(context, statement, values, sink, std::move(moved));
    co_return co_await std::move(on_lane);
}

bool LoopReader::runs_here(const StatementRef& statement) {
    if (loop_ < 0 || runtime::Loops::current() != loop_) return false;
    return readers_->away_ < Readers::away_max && !heavy_.goes_to_lane(statement.identity);
}

std::optional<RunResult> LoopReader::run_here(Context& context, const StatementRef& statement,
                                              std::span<const Value> values, RowSink sink,
                                              Moved& moved) {
    const std::scoped_lock lock(mutex_);
    if (closed_) throw Error(Errc::unavailable, fmt::format("{} is closed", readers_->file_.path));
    if (!ensure_snapshot()) return std::nullopt;
    Handle::Outcome outcome;
    try {
        outcome = handle_->run(context, statement, values, sink, limits_here());
    } catch (...) {
        if (wants_reopen(handle_->last_failure())) drop_handle();
        throw;
    }
    const auto result = ended_here(statement, outcome, handle_, moved);
    if (moved.handle != nullptr) drop_handle();
    return result;
}

RunLimits LoopReader::limits_here() const {
    RunLimits limits;
    limits.steps_max = static_cast<std::int64_t>(readers_->options_.inline_steps_max);
    limits.busy_is_an_error = false;
    return limits;
}

// Nothing: it goes on on the lane, if it was over its budget with the connection.
std::optional<RunResult> LoopReader::ended_here(const StatementRef& statement,
                                                const Handle::Outcome& outcome,
                                                std::unique_ptr<Handle>& handle, Moved& moved) {
    switch (outcome.ended) {
        case Handle::Ended::finished: heavy_.fitted(statement.identity); return outcome.result;
        case Handle::Ended::over_budget:
            heavy_.exceeded(statement.identity);
            readers_->metrics_->moved.add();
            readers_->away_.fetch_add(1);
            moved.handle = std::move(handle);
            moved.rows_skipped = outcome.result.rows;
            return std::nullopt;
        case Handle::Ended::busy: return std::nullopt;
    }
    return std::nullopt;
}

namespace {

// A run that has stopped does not outlive its caller.
struct Half {
    Handle& handle;
    runtime::Fiber& fiber;
    bool has_stopped = false;

    ~Half() {
        if (!has_stopped) return;
        handle.abandon();
        try {
            while (!fiber.resume()) {
            }
        } catch (...) {  // that it was cancelled, or what ended it before: nobody waits for it
        }
    }
};

}  // namespace

// On a connection of its own: others read on the loop's in its middle. In a transaction, for it may
// have to move.
Task<std::optional<RunResult>> LoopReader::run_in_pieces(Context& context, StatementRef statement,
                                                         std::span<const Value> values,
                                                         RowSink sink, Moved& moved) {
    const auto self = shared_from_this();
    if (!piecewise_.try_acquire() &&
        co_await piecewise_.acquire(context.deadline()) != runtime::Acquired::yes)
        throw Error(Errc::deadline_exceeded,
                    fmt::format("{}: others are read in pieces", statement.name));
    const runtime::Permit permit(piecewise_);
    context.throw_if_done(statement.name);
    if (fiber_ == nullptr) fiber_ = std::make_unique<runtime::Fiber>();
    struct Taken {
        ReaderPool& pool;
        std::unique_ptr<Handle> handle;
        ~Taken() { pool.give(std::move(handle)); }
    } taken{readers_->pool_, readers_->pool_.take()};
    taken.handle->forget_failure();
    if (taken.handle->control("begin") != SQLITE_OK) co_return std::nullopt;
    Handle::Outcome outcome;
    RunLimits limits = limits_here();
    limits.fiber = fiber_.get();
    limits.piece_steps = readers_->options_.piece_steps;
    auto work = [&] { outcome = taken.handle->run(context, statement, values, sink, limits); };
    bool has_let_go = false;
    {
        Half half{*taken.handle, *fiber_};
        half.has_stopped = has_let_go = !fiber_->start(work);
        while (half.has_stopped) {
            readers_->metrics_->stops.add();
            co_await runtime::yield();
            half.has_stopped = false;
            half.has_stopped = !fiber_->resume();
        }
    }
    // What is made of the rows is the next turn's work.
    if (has_let_go) co_await runtime::yield();
    co_return ended_here(statement, outcome, taken.handle, moved);
}

// False if the connection cannot begin to read without waiting; the lane can wait.
bool LoopReader::ensure_snapshot() {
    if (handle_ == nullptr) {
        handle_ = readers_->pool_.take();
        // Makes SQLite open the log and its index.
        if (!handle_->integer("pragma schema_version")) {
            drop_handle();
            return false;
        }
        wal_index_ = WalIndex(handle_->db());
    }
    // Before the transaction: what is committed between the two only renews it once more.
    WalIndex::Version now{};
    if (wal_index_.mapped()) {
        now = wal_index_.version();
        if (in_snapshot_ && now == snapshot_) return true;
    }
    if (in_snapshot_) handle_->control("commit");
    in_snapshot_ = handle_->control("begin") == SQLITE_OK;
    snapshot_ = now;
    if (in_snapshot_) release_soon();
    return in_snapshot_;
}

std::optional<WalIndex::Version> LoopReader::commit_version() {
    const std::scoped_lock lock(mutex_);
    if (closed_ || !wal_index_.mapped()) return std::nullopt;
    return wal_index_.version();
}

void LoopReader::release_soon() {
    if (release_posted_) return;
    release_posted_ = true;
    boost::asio::post(executor_, [self = shared_from_this()] { self->release(); });
}

void LoopReader::release() {
    const std::scoped_lock lock(mutex_);
    release_posted_ = false;
    if (in_snapshot_ && handle_ != nullptr) handle_->control("commit");
    in_snapshot_ = false;
}

void LoopReader::drop_handle() noexcept {
    handle_.reset();
    wal_index_ = WalIndex();
    in_snapshot_ = false;
}

void LoopReader::close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    drop_handle();
}

Task<RunResult> LoopReader::run_on_lane(Context& context, StatementRef statement,
                                        std::span<const Value> values, RowSink sink, Moved moved) {
    Readers& readers = *readers_;
    // Whatever happens, the connection goes back, and is counted.
    struct Return {
        Readers& readers;
        std::unique_ptr<Handle>& handle;
        bool away;
        ~Return() {
            readers.pool_.give(std::move(handle));
            if (away) readers.away_.fetch_sub(1);
        }
    } back{readers, moved.handle, moved.handle != nullptr};
    const std::uint64_t queued = telemetry::tsc();
    std::optional<internal::ModuleGates::Place> place = readers.gates_.try_enter(context);
    if (!place) {
        auto entered = co_await readers.gates_.enter(context);
        place.emplace(std::move(entered));
    }
    auto work = [&]() -> RunResult {
        const std::uint64_t began = telemetry::tsc();
        if (moved.handle == nullptr) moved.handle = readers.pool_.take();
        moved.handle->forget_failure();
        RunLimits limits;
        limits.rows_skipped = moved.rows_skipped;
        limits.busy_wait = readers.options_.busy_timeout;
        limits.pool_ns = began > queued ? telemetry::tsc_to_ns(began - queued) : 0;
        return moved.handle->run(context, statement, values, sink, limits).result;
    };
    readers.metrics_->on_lane.add();
    auto running = readers.lane_->run(context, work);
    co_return co_await std::move(running);
}

}  // namespace loadstone::store::sqlite
