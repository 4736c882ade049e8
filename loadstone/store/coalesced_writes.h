#pragma once
// Coalesced writes: small writes of many requests, of which each is a row that says all (the
// greatest position of a video, the last time that somebody was seen). The first is written at
// once; what comes while it is written is gathered, and written by one transaction when that has
// ended. Each request is answered when its row is durable. There is no timer: who finds nothing
// under way waits for nobody. Declared as a constant:
//
//     const store::CoalescedWrite<SeenUser, Timestamp> note_seen{
//         .name = "accounts.seen", .write = note_all, .is_before = by_user, .merge = take_later};
//     const Timestamp seen = co_await store::write_coalesced(context, note_seen, user);
//
// One request of a batch leads it: it writes with its own context, so the batch's statements and
// time count on its span and for its module. The others wait until their own deadlines. If the
// leader is cancelled, or its time is over, another one leads and the rows are written again. If
// the database is unavailable all are told so. After any other error each is written by itself, so
// that a row that cannot be written fails alone. Of those gathered the one with the most time
// leads.
//
// Not for what must happen once (a row may be written twice), for aggregates of derived data
// (cache::add), or where some writes of a kind take much longer than others: all wait for them.

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/result.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/internal/coalescing_queue.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store {

template <class Row, class Value>
struct CoalescedWrite {
    std::string_view name;  // of metrics
    // Writes rows of different keys, sorted by them. Gives a result for each, in their order: a
    // row's own error is there. If it throws, each row comes again by itself, unless the database
    // was unavailable. Writing a row again changes nothing. Its transaction sees commits
    // (Tx::see_commits), lest one row that others write make all of them run again; a row that
    // comes alone under an Idempotency-Key has one snapshot.
    Task<std::vector<Result<Value>>> (*write)(Tx& tx, std::vector<Row> rows);
    // A strict order of the keys, the same on all nodes, so that they do not wait for each other.
    bool (*is_before)(const Row& one, const Row& other);
    // What is to be written of two rows of one key, which came in either order.
    void (*merge)(Row& into, const Row& other);
    std::size_t batch_max = 128;      // requests that share a transaction
    std::size_t waiting_max = 1'024;  // requests; beyond: unavailable
};

namespace internal {

template <class Row, class Value>
struct CoalescedRow : Coalesced {
    CoalescedRow(runtime::Deadline until, Row what) : Coalesced(until), row(std::move(what)) {}

    const Row row;
    std::optional<Result<Value>> result;
};

// The rows of a batch, and whose each is.
template <class Row, class Value>
class CoalescedBatch {
public:
    using Write = CoalescedWrite<Row, Value>;

    CoalescedBatch(const Write& write, const std::vector<CoalescedPtr>& gathered) : write_(write) {
        for (const CoalescedPtr& each : gathered)
            requests_.push_back(static_cast<CoalescedRow<Row, Value>*>(each.get()));
        const auto is_before = [&](const auto* one, const auto* other) {
            return write.is_before(one->row, other->row);
        };
        std::sort(requests_.begin(), requests_.end(), is_before);
        for (const auto* request : requests_) {
            const bool is_other = rows_.empty() || write.is_before(rows_.back(), request->row);
            if (is_other)
                rows_.push_back(request->row);
            else
                write.merge(rows_.back(), request->row);
            row_of_.push_back(rows_.size() - 1);
        }
    }
    std::size_t size() const noexcept { return rows_.size(); }

    Task<void> run(Tx& tx) {
        tx.see_commits();
        results_ = co_await write_.write(tx, rows_);
        LOADSTONE_ASSERT(results_.size() == rows_.size(), "a result for each row");
    }
    void give() {
        for (std::size_t i = 0; i < requests_.size(); ++i)
            requests_[i]->result = results_[row_of_[i]];
    }

private:
    const Write& write_;
    std::vector<CoalescedRow<Row, Value>*> requests_;  // by key
    std::vector<Row> rows_;
    std::vector<std::size_t> row_of_;
    std::vector<Result<Value>> results_;
};

template <class Row, class Value>
Task<Value> write_alone(Tx& tx, const CoalescedWrite<Row, Value>* write, Row row) {
    std::vector<Row> rows{std::move(row)};
    auto results = co_await write->write(tx, std::move(rows));
    co_return value_or_throw(std::move(results.at(0)));
}

// Gives how many rows they were.
template <class Row, class Value>
Task<std::size_t> write_together(Context& context, const CoalescedWrite<Row, Value>& write,
                                 std::vector<CoalescedPtr> gathered) {
    CoalescedBatch<Row, Value> batch(write, gathered);
    TxBody body = [&batch](Tx& tx) { return batch.run(tx); };
    co_await context.services().get<Database>().transact(context, std::move(body));
    batch.give();
    co_return batch.size();
}

template <class Row, class Value>
Task<Turn> lead(Context& context, const CoalescedWrite<Row, Value>& write, CoalescingQueue& queue,
                const CoalescedPtr& mine) {
    BatchTurn turn(queue, context);
    try {
        const std::size_t rows = co_await write_together(context, write, turn.take(mine));
        turn.written(rows);
        co_return Turn::take_result;
    } catch (...) {
        if (!turn.failed()) throw;
    }
    co_return Turn::write_alone;
}

}  // namespace internal

// The queues of a process, by what was declared. A service; where there is none each row is
// written alone. Counts, by `write`: loadstone_store_coalesced_rows_total (that were answered),
// _batches_total (transactions that wrote them), _merged_total (rows that another of their key
// stood for), _again_total (rows whose leader was gone), _refused_total.
class CoalescedWrites {
public:
    explicit CoalescedWrites(telemetry::Registry& registry) : registry_(registry) {}

    // `declared`: the constant.
    std::shared_ptr<internal::CoalescingQueue> queue_of(const void* declared,
                                                        internal::CoalescingQueue::Options options);

private:
    telemetry::Registry& registry_;
    std::mutex mutex_;
    std::map<const void*, std::shared_ptr<internal::CoalescingQueue>> queues_;
};

// Its row's result, when it is durable. The context has then seen the commit: what it reads next
// shows it, on any replica. With an Idempotency-Key it is written alone, and its result is kept.
// Errors: the row's own; unavailable: the database, or too many wait.
template <class Row, class Value>
Task<Value> write_coalesced(Context& context, const CoalescedWrite<Row, Value>& write, Row row) {
    context.require_no_transaction("store::write_coalesced()");
    auto* all = context.services().find<CoalescedWrites>();
    if (all == nullptr || context.idempotency()) {
        const auto alone = internal::write_alone<Row, Value>;
        Value value = co_await context.write(alone, &write, row);
        co_return value;
    }
    const std::shared_ptr<internal::CoalescingQueue> queue =
        all->queue_of(&write, {write.name, write.batch_max, write.waiting_max});
    auto mine =
        std::make_shared<internal::CoalescedRow<Row, Value>>(context.deadline(), std::move(row));
    const internal::QueuePlace place(queue, mine);
    const internal::CoalescedPtr request = mine;
    internal::Turn turn = co_await queue->enter(context, request);
    if (turn == internal::Turn::lead)
        turn = co_await internal::lead(context, write, *queue, request);
    if (turn == internal::Turn::write_alone) {
        const std::vector<internal::CoalescedPtr> alone{request};
        co_await internal::write_together(context, write, alone);
    }
    co_return value_or_throw(std::move(*mine->result));
}

}  // namespace loadstone::store
