#include "loadstone/store/postgres/internal/loop_reads.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/log.h"
#include "loadstone/store/internal/storable.h"
#include "loadstone/store/postgres/internal/plan_sampler.h"

namespace loadstone::store::postgres {

namespace {

constexpr std::size_t known_statements_max = 4096;
constexpr int long_score = 8;
constexpr std::size_t unanswered_factor = 8;
constexpr std::chrono::milliseconds mixed_cancel_after{1'000};

constexpr Query greeting{"loadstone.greeting", "", "select true", 0};

std::uint64_t ns(std::chrono::nanoseconds duration) {
    return static_cast<std::uint64_t>(duration.count());
}

}  // namespace

LoopReads::LoopReads(const runtime::Executor& executor, const LoopReadsOptions& options,
                     std::shared_ptr<Connector> connector, std::shared_ptr<Deadlines> deadlines,
                     Canceller& canceller, Metrics& metrics, runtime::TaskScope& tasks)
    : executor_(executor),
      options_(options),
      connector_(std::move(connector)),
      deadlines_(std::move(deadlines)),
      canceller_(canceller),
      metrics_(metrics),
      tasks_(tasks) {}

void LoopReads::start() {
    is_started_ = true;
    deadlines_->on_look([this] { return look(); });
    connect(slots_[0]);
}

void LoopReads::stop() {
    is_stopped_ = true;
    connector_->stop();
    for (Slot& slot : slots_) {
        if (const auto pipeline = std::move(slot.pipeline)) {
            pipeline->close(unavailable("the store has been stopped"));
        }
    }
    deadlines_->close();
}

Task<RunResult> LoopReads::run(Context& context, StatementRef statement,
                               std::span<const Value> values, RowSink sink, ReadPlace& place) {
    const auto self = shared_from_this();
    context.throw_if_done(statement.name);
    store::internal::require_storable(statement.name, values);
    metrics_.statistics.require_new(context.span(), statement);
    Operation operation(context, statement, values, this);
    // The server ends it by statement_timeout; this is for a server that does not.
    operation.deadline = operation.deadline.sooner(
        Deadline::in(options_.statement_timeout_max + std::chrono::seconds(1)));
    const auto known = slowness_.find(statement.identity);
    operation.is_alone = known == slowness_.end() || known->second > 0;
    operation.wants_position = options_.tells_positions;
    operation.at_least = place.at_least;
    Account account(metrics_, operation);
    try {
        admit(operation);
        const RunResult result = co_await operation.complete(sink, false);
        account.succeeded();
        place.seen = operation.position;
        sample(operation, false);
        co_return result;
    } catch (const Error&) {
        sample(operation, true);
        // A replica cancels a read that is in the way of replay with 40001.
        place.needs_primary = operation.reaction == Reaction::not_the_primary;
        place.may_go_elsewhere =
            options_.is_replica && !operation.has_given_rows() &&
            (place.needs_primary || operation.reaction == Reaction::connection_lost ||
             operation.reaction == Reaction::retry);
        throw;
    }
}

void LoopReads::sample(const Operation& operation, bool failed) const {
    if (metrics_.sampler == nullptr) return;
    metrics_.sampler->saw(
        operation,
        options_.is_replica ? PlanSampler::Ran::on_replica : PlanSampler::Ran::on_primary, failed,
        options_.replica);
}

std::optional<Pipeline::KnownPosition> LoopReads::known_position() const {
    const auto& pipeline = slots_[0].pipeline;
    if (pipeline == nullptr || slots_[0].is_retiring) return std::nullopt;
    return pipeline->known_position();
}

void LoopReads::ask_positions() {
    for (const Slot& slot : slots_) {
        if (slot.pipeline != nullptr) slot.pipeline->ask_position();
    }
}

void LoopReads::drop_older(std::uint32_t history) {
    for (Slot& slot : slots_) {
        const auto pipeline = slot.pipeline;
        if (pipeline != nullptr && pipeline->known_position() &&
            pipeline->known_position()->position.timeline < history)
            pipeline->lose(unavailable("the server is not the primary any more"));
    }
}

void LoopReads::fit() {
    const std::size_t kept = options_.is_replica ? 0 : 1;
    for (std::size_t i = slots_.size(); i-- > kept;) {
        Slot& slot = slots_[i];
        const Purpose purpose = i == 0 ? options_.first : options_.more;
        slot.is_retiring = slot.pipeline != nullptr && connector_->is_over(purpose);
        if (!slot.is_retiring || !slot.pipeline->is_idle()) continue;
        const auto pipeline = std::move(slot.pipeline);
        slot.is_retiring = false;
        pipeline->close(unavailable("there are more connections than this process may have"));
    }
    if (options_.is_replica && is_started_) connect(slots_[0]);
}

void LoopReads::drop_all(const Error& why) {
    for (Slot& slot : slots_) {
        if (const auto pipeline = slot.pipeline) pipeline->lose(why);
    }
}

bool LoopReads::can_serve(const Operation& operation) const noexcept {
    return slots_[0].pipeline != nullptr && is_far_enough(slots_[0], operation);
}

bool LoopReads::is_far_enough(const Slot& slot, const Operation& operation) const noexcept {
    const auto& known = slot.pipeline->known_position();
    return !options_.is_replica || (known && known->position.at >= operation.at_least);
}

void LoopReads::admit(Operation& operation) {
    if (waiting_count_ >= waiting_factor * options_.depth_max) {
        metrics_.reads_refused.add();
        throw unavailable(
            fmt::format("{}: {} reads are waiting on this loop, the most there may be",
                        operation.statement.name, waiting_count_));
    }
    const bool is_connected =
        std::ranges::any_of(slots_, [](const Slot& slot) { return slot.pipeline != nullptr; });
    if (!is_connected && connector_->is_away()) throw connector_->unreachable();
    operation.place = Operation::Place::waiting;
    ++waiting_count_;
    waiting_.push_back(operation);
    dispatch();
    if (!operation.is_over()) deadlines_->add(operation);
}

void LoopReads::dispatch() {
    while (!is_stopped_ && !waiting_.empty() && depth_ < options_.depth_max) {
        Operation& operation = waiting_.front();
        Slot* const slot = choose(operation);
        if (slot == nullptr && options_.is_replica && !can_serve(operation)) {
            waiting_.pop_front();
            operation.fail(connector_->unreachable(), Reaction::connection_lost);
            operation.end();
            continue;
        }
        if (slot == nullptr) return;
        waiting_.pop_front();
        --waiting_count_;
        depth_.fetch_add(1, std::memory_order_relaxed);
        operation.place = Operation::Place::under_way;
        slot->pipeline->push(operation);
    }
}

// Null when there is no connection; then one is on its way.
LoopReads::Slot* LoopReads::choose(const Operation& operation) {
    // A statement that runs alone is unknown or long; unknown ones are quick more often than not.
    const auto known =
        operation.is_alone ? slowness_.find(operation.statement.identity) : slowness_.end();
    const bool is_long = known != slowness_.end() && known->second > 0;
    const std::size_t first = is_long ? 1 : 0;
    Slot* ready = nullptr;
    Slot* unopened = nullptr;
    for (std::size_t i = first; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (slot.pipeline == nullptr) {
            if (unopened == nullptr) unopened = &slot;
            continue;
        }
        if (slot.is_retiring) continue;
        if (!is_far_enough(slot, operation)) {
            slot.pipeline->ask_position();
            continue;
        }
        if (is_long ? slot.pipeline->is_idle() : !is_stuck(slot)) return &slot;
        if (ready == nullptr || slot.pipeline->front_ns() < ready->pipeline->front_ns())
            ready = &slot;
    }
    if (ready == nullptr && can_serve(operation)) ready = &slots_[0];
    if (ready == nullptr) {
        connect(slots_[0]);
    } else if (ready->pipeline->unanswered() > unanswered_factor * options_.depth_max) {
        return nullptr;  // what was given up is still on its way
    } else if (unopened != nullptr) {
        connect(*unopened);
    }
    return ready;
}

bool LoopReads::is_stuck(const Slot& slot) const noexcept {
    return slot.pipeline->front_ns() > ns(stuck_after);
}

void LoopReads::connect(Slot& slot) {
    if (is_stopped_ || slot.is_connecting || slot.pipeline != nullptr) return;
    if (&slot != &slots_[0] && !connector_->has_room(options_.more)) return;
    // The first one of a replica that this process is not to use: fit() opens it.
    if (options_.is_replica && !connector_->is_allowed(options_.first)) return;
    slot.is_connecting = tasks_.spawn(executor_, connect_slot(slot));
}

Task<void> LoopReads::connect_slot(Slot& slot) {
    const auto self = shared_from_this();
    const bool is_first = &slot == &slots_[0];
    std::shared_ptr<Pipeline> pipeline;
    do {
        try {
            pipeline = co_await open_pipeline(is_first);
        } catch (const Error& error) {
            // Stopped, or another time.
            if (!is_stopped_ && options_.tells_positions) connector_->failed(error);
        }
        // Where it is not to be used any more, fit() tries again when it is.
        if (options_.is_replica && !connector_->is_allowed(options_.first)) break;
    } while (pipeline == nullptr && is_first && !is_stopped_);
    slot.is_connecting = false;
    if (pipeline != nullptr && is_stopped_)
        pipeline->close(unavailable("the store has been stopped"));
    if (is_stopped_ || pipeline == nullptr || pipeline->is_lost()) co_return;
    slot.pipeline = std::move(pipeline);
    if (options_.is_replica) fit();  // it may have become one too many meanwhile
    dispatch();
}

// The first connection is tried for as long as it takes; the others are a convenience.
Task<std::shared_ptr<Pipeline>> LoopReads::open_pipeline(bool is_first) {
    const Deadline deadline =
        is_first ? Deadline::unbounded() : Deadline::in(std::chrono::seconds(5));
    const Purpose purpose = is_first ? options_.first : options_.more;
    ConnectionHandle connection = co_await connector_->open(deadline, purpose);
    PipelineOptions options;
    options.prepares = !options_.is_pooled;
    options.wraps_reads = options_.is_pooled;
    options.sends_skipped_again = true;
    options.watches_idle = true;
    options.statement_timeout_max = options_.statement_timeout_max;
    options.tells_positions = options_.tells_positions;
    options.is_replica = options_.is_replica;
    auto pipeline = std::make_shared<Pipeline>(std::move(connection), executor_, options,
                                               static_cast<PipelineOwner*>(this));
    pipeline->start();
    if (!options_.tells_positions) co_return pipeline;
    try {
        co_await greet(*pipeline);
    } catch (const Error& error) {
        pipeline->close(error);  // what waits for its server keeps it, with its slot
        throw;
    }
    co_return pipeline;
}

// Before it is used: where the server is now, not where one was that had its address before.
Task<void> LoopReads::greet(Pipeline& pipeline) {
    Context context(no_services_, Deadline::in(std::chrono::seconds(5)));
    Operation operation(context, greeting, {}, nullptr);
    operation.wants_position = true;
    pipeline.push_now(operation);
    deadlines_->add(operation);
    auto ignore = [](const Row&) {};
    co_await operation.complete(ignore, true);
    if (!operation.position) throw unavailable("the server does not say where it is");
}

void LoopReads::lost(Pipeline& pipeline, const Error& why, OperationQueue& unfinished) {
    metrics_.connections_lost.add();
    log::warning("a read connection was lost", {{"error", why.message()}});
    for (Slot& slot : slots_) {
        if (slot.pipeline.get() == &pipeline) slot.pipeline.reset();
    }
    if (options_.is_replica) give_back(unfinished, why);
    OperationQueue again;
    while (!unfinished.empty()) {
        Operation& operation = unfinished.front();
        unfinished.pop_front();
        const bool is_a_read = operation.place == Operation::Place::under_way;
        if (!is_a_read || operation.has_given_rows() || ++operation.losses > losses_max) {
            operation.fail(why, Reaction::connection_lost);
            operation.end();
            continue;
        }
        metrics_.reads_again.add();
        again.push_back(operation);
    }
    wait_again(again);
    connect(slots_[0]);
    dispatch();
}

void LoopReads::give_back(OperationQueue& operations, const Error& why) {
    while (!operations.empty()) {
        Operation& operation = operations.front();
        operations.pop_front();
        operation.fail(why, Reaction::connection_lost);
        operation.end();
    }
}

// Before those that have not been sent yet.
void LoopReads::wait_again(OperationQueue& operations) {
    for (Operation& operation : operations) {
        operation.restart();
        operation.place = Operation::Place::waiting;
        depth_.fetch_sub(1, std::memory_order_relaxed);
        ++waiting_count_;
    }
    waiting_.splice(waiting_.begin(), operations);
}

void LoopReads::ended(Operation& operation) noexcept {
    switch (std::exchange(operation.place, Operation::Place::outside)) {
        case Operation::Place::outside: return;
        case Operation::Place::waiting: --waiting_count_; return;
        case Operation::Place::under_way:
            depth_.fetch_sub(1, std::memory_order_relaxed);
            learn(operation);
            if (!waiting_.empty()) dispatch();
    }
}

Error LoopReads::unsent_error(const Operation& operation) {
    for (const Slot& slot : slots_) {
        if (slot.pipeline != nullptr) {
            return Error(
                Errc::deadline_exceeded,
                fmt::format("{}: the deadline passed while {} reads were under way before it",
                            operation.statement.name, under_way()));
        }
    }
    return connector_->unreachable();
}

void LoopReads::learn(const Operation& operation) {
    const bool was_given_up = operation.has_expired && operation.sent_tsc != 0;
    if (!was_given_up && operation.batch_ns == 0) return;
    const auto known = slowness_.find(operation.statement.identity);
    if (was_given_up || operation.batch_ns > ns(long_after)) {
        if (operation.is_alone) {
            if (known != slowness_.end()) {
                known->second = long_score;
            } else if (slowness_.size() < known_statements_max) {
                slowness_.emplace(operation.statement.identity, long_score);
            }
        } else if (known != slowness_.end()) {
            slowness_.erase(known);  // it or a neighbour: the next run, alone, will tell
        }
        return;
    }
    if (known == slowness_.end()) {
        if (slowness_.size() < known_statements_max)
            slowness_.emplace(operation.statement.identity, 0);
    } else if (known->second > 0) {
        --known->second;
    }
}

// Every 10 ms while anything is under way.
bool LoopReads::look() {
    fit();
    bool is_busy = false;
    for (Slot& slot : slots_) {
        const std::shared_ptr<Pipeline> pipeline = slot.pipeline;
        if (pipeline == nullptr || pipeline->is_idle()) continue;
        is_busy = true;
        if (pipeline->front_ns() > ns(move_after)) move_waiting(slot);
        if (pipeline->front_ns() > ns(stuck_after)) watch_front(*pipeline);
    }
    dispatch();
    return is_busy;
}

// Only where they are better off: when the server as a whole is slow, nothing is sent twice.
void LoopReads::move_waiting(Slot& slot) {
    if (!slot.pipeline->has_movable()) return;
    bool has_better = false;
    for (Slot& other : slots_) {
        if (&other == &slot) continue;
        if (other.pipeline == nullptr) {
            connect(other);
        } else if (!is_stuck(other)) {
            has_better = true;
        }
    }
    if (!has_better) return;
    OperationQueue taken;
    slot.pipeline->take_back(taken);
    for (Operation& operation : taken) {
        operation.was_moved = true;
        operation.is_alone = true;
    }
    wait_again(taken);
    dispatch();
}

void LoopReads::watch_front(Pipeline& pipeline) {
    const Pipeline::FrontBatch batch = pipeline.front_batch();
    // In a batch that others still wait for, the request may hit them: they are sent again then.
    const bool is_deserted = batch.operations > 0 && batch.abandoned == batch.operations;
    if (is_deserted || (batch.abandoned > 0 && pipeline.front_ns() > ns(mixed_cancel_after))) {
        pipeline.cancel_front(canceller_);
    }
    if (pipeline.since_cancel_ns() > ns(cancel_grace) ||
        pipeline.front_ns() > ns(options_.statement_timeout_max + cancel_grace)) {
        pipeline.lose(unavailable("the database does not react to a cancel request"));
    }
}

}  // namespace loadstone::store::postgres
