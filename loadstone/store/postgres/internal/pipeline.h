#pragma once
// Pipeline: one connection in libpq's pipeline mode, on one loop.
//
// What is pushed within one turn of the loop goes out as one batch (of at most `batch_max`): the
// statements (each prepared ahead of its first use on this connection), one sync, one write.
// Results come in the order of what was sent, so each is matched with the front of `sent_`:
//
//   batch = command* statement+ sync        command: BEGIN, SET LOCAL, ... ; no parameters
//   statement = [prepare] query
//
// The server keeps its answers to itself until the batch ends (or 8 KB are full), so one that
// takes long delays the others of its batch. Operations that are not known to be quick are batches
// of their own (Operation::is_alone).
//
// When one item of a batch fails, the server skips the rest of the batch. Read pipelines send what
// was skipped again, in order, before anything newer; in a transaction it fails with the same
// error.
//
// Each query is read in single-row mode and its rows are put into its Operation. When that is
// full, reading stops until its coroutine has taken them: the server is held back by the socket.
// One that gives few rows (StatementRef::is_small) is read in one piece.
//
// A batch in which an operation wants the server's position ends with the statement that asks for
// it: there it costs the server a third of what a round trip of its own does, and keeps nobody
// waiting for another one. Such an operation waits in `answered_` for the first answer behind its
// own.
//
// A batch without BEGIN is one transaction, which its sync commits. An operation that is to be
// committed so (Operation::commits) waits in `committing_` for the answer to the sync, which may be
// an error instead: of a deferred constraint, say.
//
// Behind a transaction pooler (`wraps_reads`), a batch of reads is BEGIN READ ONLY .. COMMIT,
// nothing is prepared, and the next batch goes out when the last one is answered: PgBouncer 1.18
// gives the server connection away at the first answered sync (its issue 759).

#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "loadstone/runtime/task.h"
#include "loadstone/store/postgres/internal/bound_values.h"
#include "loadstone/store/postgres/internal/canceller.h"
#include "loadstone/store/postgres/internal/operation.h"
#include "loadstone/store/postgres/internal/prepared.h"
#include "loadstone/store/postgres/internal/sent_items.h"

namespace loadstone::store::postgres {

struct PipelineOptions {
    bool prepares = true;
    bool wraps_reads = false;
    bool sends_skipped_again = false;
    bool keeps_session = false;  // it is one session of the server, with the options given
    bool tells_positions = false;
    bool is_replica = false;    // is asked for what a replica shows
    bool watches_idle = false;  // notices that an idle connection was closed, and notifications
    std::chrono::milliseconds statement_timeout_max{30'000};  // of a wrapped batch
};

class PipelineOwner {
public:
    // The connection is gone; what was not over is in `unfinished`, in order. Once, and not after
    // close(). The owner may drop the pipeline.
    virtual void lost(Pipeline& pipeline, const Error& why, OperationQueue& unfinished) = 0;
    virtual void notified(std::string_view /*channel*/, int /*sender*/) {}

protected:
    ~PipelineOwner() = default;
};

class Pipeline : public std::enable_shared_from_this<Pipeline> {
public:
    // More gain nothing, and keep the first answers back.
    static constexpr int batch_max = 32;

    // `connection` is connected, non-blocking and in pipeline mode. Without an owner, operations
    // fail with the connection.
    Pipeline(ConnectionHandle connection, const runtime::Executor& executor,
             const PipelineOptions& options, PipelineOwner* owner);
    ~Pipeline();
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    void start();
    // Goes out with the others of this turn.
    void push(Operation& operation);
    void push_now(Operation& operation);
    // Without sending it: before the next that is pushed, in the same batch.
    void put_before_next(Operation& operation);
    void flush();
    // Asks where the server is, unless that is under way. With the next batch, or alone.
    void ask_position();
    // As it was told last on this connection, for a question of `asked_tsc`.
    struct KnownPosition {
        ServerPosition position;
        std::uint64_t asked_tsc = 0;
    };
    const std::optional<KnownPosition>& known_position() const noexcept { return known_position_; }
    // The session's own statement_timeout, 0 if it is not known.
    std::chrono::milliseconds session_timeout() const noexcept {
        return options_.keeps_session ? options_.statement_timeout_max
                                      : std::chrono::milliseconds(0);
    }
    // Whether a transaction without BEGIN has the isolation of one with it.
    bool keeps_session() const noexcept { return options_.keeps_session; }
    bool tells_positions() const noexcept { return options_.tells_positions; }
    // Nothing of the operation is touched any more; what the server says about it is dropped.
    void abandon(Operation& operation) noexcept;
    // The operation at the front has room for rows again.
    void resume();
    // Fails what is there, closes the connection and forgets the owner.
    void close(const Error& why);
    // As if the connection had ended by itself.
    void lose(const Error& why);
    // To another loop, while it is at rest.
    void move_to(const runtime::Executor& executor);
    // Nothing is under way, here or on the server, and no handler is on its way.
    bool is_at_rest() const noexcept;

    bool is_lost() const noexcept { return connection_ == nullptr; }
    bool is_idle() const noexcept { return sent_.empty() && queue_.empty(); }
    // What is pushed now shares a batch with others.
    bool is_gathering() const noexcept { return !queue_.empty(); }
    // Whether bytes wait on an idle connection: there is nothing good that they could say.
    bool has_unread() const noexcept;
    int backend() const noexcept;

    std::size_t unanswered() const noexcept { return sent_.size(); }
    // Since the last answer, 0 if the server has nothing to do.
    std::uint64_t front_ns() const noexcept;
    // The batch that the server is at.
    struct FrontBatch {
        std::size_t operations = 0;
        std::size_t abandoned = 0;
    };
    FrontBatch front_batch() const noexcept;
    // Gives back, in order, what has not been answered and may run elsewhere: not what runs alone
    // now, and nothing twice.
    void take_back(OperationQueue& taken);
    bool has_movable() const noexcept;
    // Asks the server to end what it is doing; by way of `canceller`, off the loop. Once a query.
    void cancel_front(Canceller& canceller);
    std::uint64_t since_cancel_ns() const noexcept;
    // TLS may hold bytes that the socket does not show.
    void poke();

private:
    // pipeline.cc
    void post_flush();
    bool is_movable(const SentItem& item, bool may_be_culprit) const noexcept;
    void send_batches();
    void send_wrapped_batch();
    void end_batch();
    void send_operation(Operation& operation);
    void note_sent(SentItem::Kind kind, Operation* operation, std::shared_ptr<Prepared> prepared);
    void send_command(const std::string& text, Operation* operation);
    void send_begin(Operation& operation);
    void send_prepare(const std::shared_ptr<Prepared>& prepared, Operation& operation);
    void send_query(Operation& operation, bool is_named);
    void send_position();
    void write_out();
    // pipeline_results.cc
    void arm_read();
    void arm_write();
    void post_read();
    void read_input();
    bool consume_input();
    std::size_t unread_bytes() const;
    void lose_oversized();
    void read_on();
    bool read_results();
    void read_notifications();
    void accept(ResultHandle result);
    void accept_failure(const PGresult* result);
    void query_failed(SentItem& item, Failure failure);
    void item_ends();
    void query_ends(const SentItem& item);
    void accept_position(const PGresult* result);
    void end_answered(const std::optional<ServerPosition>& position);
    void end_committing(const std::exception_ptr& failure, Reaction reaction);
    void batch_ends();
    void front_changes();

    ConnectionHandle connection_;
    runtime::Executor executor_;
    const PipelineOptions options_;
    PipelineOwner* owner_;
    std::optional<boost::asio::posix::stream_descriptor> socket_;
    std::shared_ptr<PGcancel> cancel_;

    OperationQueue queue_;       // not sent yet
    OperationQueue skipped_;     // to be sent again, before queue_, when their batch has ended
    OperationQueue answered_;    // but for the position
    OperationQueue committing_;  // answered, but for the sync
    SentItems sent_;
    int syncs_ = 0;
    PreparedStatements statements_;
    BoundValues bound_;
    std::string text_;
    std::exception_ptr batch_failure_;  // of the batch that is being answered
    Reaction batch_reaction_ = Reaction::none;
    bool needs_rollback_ = false;

    std::shared_ptr<Prepared> position_prepared_ = std::make_shared<Prepared>();
    std::optional<KnownPosition> known_position_;
    std::deque<std::uint64_t> positions_asked_;  // when, of those under way
    bool batch_wants_position_ = false;
    bool asks_position_ = false;  // then none is under way

    std::uint64_t front_tsc_ = 0;  // of the last answer
    std::uint64_t batch_tsc_ = 0;  // when the server turned to the batch
    std::uint64_t cancel_tsc_ = 0;
    bool front_was_cancelled_ = false;
    bool is_in_rows_ = true;  // the front's rows come one by one
    int front_reads_ = 0;
    std::size_t front_bytes_ = 0;
    bool send_failed_ = false;
    bool flush_is_posted_ = false;
    bool read_is_armed_ = false;
    bool read_is_posted_ = false;
    bool write_is_armed_ = false;
};

}  // namespace loadstone::store::postgres
