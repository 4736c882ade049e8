#pragma once
// Operation: one statement on its way to the server and back. It lives in the frame of the
// coroutine that awaits it, which also takes the rows: the pipeline only puts them down here, a
// bounded number at a time, so a slow taker holds back the server, and decoding is on the account
// of who asked. Used on one loop only.

#include <array>
#include <boost/container/small_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <span>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/deadline.h"
#include "loadstone/store/connection.h"
#include "loadstone/store/postgres/internal/handles.h"
#include "loadstone/store/postgres/internal/prepared.h"
#include "loadstone/store/postgres/internal/server_position.h"
#include "loadstone/store/postgres/internal/sqlstate.h"
#include "loadstone/store/postgres/internal/wakeup.h"

namespace loadstone::store::postgres {

class Operation;
class Pipeline;

// Whoever hands operations to pipelines and bounds how many there are.
class OperationOwner {
public:
    // Once for each operation, when it is over for whatever reason.
    virtual void ended(Operation& operation) noexcept = 0;
    // Why an operation that no pipeline took in time has failed.
    virtual Error unsent_error(const Operation& operation) = 0;

protected:
    ~OperationOwner() = default;
};

namespace intrusive = boost::intrusive;
struct QueueTag;
struct DeadlineTag;
using QueueHook = intrusive::list_base_hook<intrusive::tag<QueueTag>,
                                            intrusive::link_mode<intrusive::auto_unlink>>;
using DeadlineHook = intrusive::list_base_hook<intrusive::tag<DeadlineTag>,
                                               intrusive::link_mode<intrusive::auto_unlink>>;

class Operation : public QueueHook, public DeadlineHook {
public:
    static constexpr std::size_t rows_held_max = 128;
    static constexpr std::size_t bytes_held_max = 1 << 20;

    Operation(Context& context, const StatementRef& statement, std::span<const Value> values,
              OperationOwner* owner);
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation();

    // Waits until the operation is over and gives its rows to the sink. Throws what it failed
    // with, or what the sink threw: with `finishes`, only when the server is through with the
    // statement.
    Task<RunResult> complete(RowSink sink, bool finishes);

    bool is_over() const noexcept { return is_over_; }
    std::uint64_t rows_given() const noexcept { return rows_given_; }
    // Whether rows were given out: then it cannot be run again unnoticed.
    bool has_given_rows() const noexcept { return given_rows_; }
    bool has_rows() const noexcept { return !rows_.empty(); }
    bool wants_rows() const noexcept { return !discards_ && !failure_; }
    bool is_full() const noexcept {
        return rows_.size() >= rows_held_max || bytes_held_ >= bytes_held_max;
    }

    // ---- for the pipeline, the owner and Deadlines ----
    void put(ResultHandle row);
    // To be sent once more, from the start.
    void restart() noexcept;
    void wake() { wakeup_.wake(); }
    // The first failure counts.
    void fail(std::exception_ptr failure, Reaction reaction = Reaction::none);
    void fail(Error error, Reaction reaction = Reaction::none);
    void end();
    bool is_linked_in_queue() const noexcept { return QueueHook::is_linked(); }
    void unlink_from_queue() noexcept { QueueHook::unlink(); }
    // Out of whatever holds it, as if it had never been sent: it may be sent again.
    void detach() noexcept;
    void expire(bool cancelled);
    // Of what the server is at, for the time budget of its module.
    bool is_over_time();
    void expire_over_time();

    Context& context;
    const StatementRef statement;
    const std::span<const Value> values;
    Deadline deadline;
    bool heeds_cancellation = true;
    bool is_alone = false;   // sent as a batch of its own, so that it delays no other's answer
    bool was_moved = false;  // away from a connection that was stuck
    // The server tells where it was after it, in the same round trip; it is over with that.
    bool wants_position = false;
    // The last of a batch without BEGIN and COMMIT: the server commits it, and those before it,
    // when it comes to the batch's end, so that it is over with the answer to that.
    bool commits = false;
    // Of a read on a replica: the connection must be known to be there.
    std::uint64_t at_least = 0;
    // Commands that go before it in the same batch; their failure is its own. First a constant of
    // the program, which is prepared, then texts.
    const Query* begin = nullptr;
    boost::container::small_vector<std::string, 2> before;

    std::uint64_t affected = 0;
    std::optional<ServerPosition> position;  // none: it could not be learnt
    bool has_expired = false;                // without an answer
    // The server ended the session before it had done it: answers come in order.
    bool was_refused = false;
    bool ended_in_rollback = false;  // a COMMIT that the server turned into a ROLLBACK
    std::exception_ptr failure() const noexcept { return failure_; }
    Reaction reaction = Reaction::none;

    std::uint64_t waited_ns = 0;  // before it was made: for its transaction's connection
    std::uint64_t queued_tsc = 0;
    std::uint64_t sent_tsc = 0;  // 0: not sent
    std::uint64_t batch_ns = 0;  // how long the server was at its batch until it had answered this
    int sends = 0;
    int losses = 0;  // connections lost under it

    // Where its owner counts it.
    enum class Place : std::uint8_t { outside, waiting, under_way };
    Place place = Place::outside;

    std::shared_ptr<Prepared> prepared;  // null: never sent
    // Where the pipeline keeps it: its items are numbered first_item .. first_item + items - 1.
    Pipeline* pipeline = nullptr;
    std::uint64_t first_item = 0;
    std::uint32_t items = 0;

private:
    void give_rows(RowSink& sink);

    OperationOwner* owner_;
    Wakeup wakeup_;
    boost::container::small_vector<ResultHandle, 2> rows_;
    std::size_t bytes_held_ = 0;
    std::uint64_t rows_given_ = 0;
    std::exception_ptr failure_;
    bool given_rows_ = false;
    bool discards_ = false;
    bool is_over_ = false;
    std::uint64_t time_max_ns_ = 0;  // 0: not looked up yet
};

using OperationQueue = intrusive::list<Operation, intrusive::base_hook<QueueHook>,
                                       intrusive::constant_time_size<false>>;
using DeadlineList = intrusive::list<Operation, intrusive::base_hook<DeadlineHook>,
                                     intrusive::constant_time_size<false>>;

}  // namespace loadstone::store::postgres
