#pragma once
// TxConnection: the statements of one run of a transaction's body, on a connection of its own.
//
// BEGIN goes out with the first statement, so it costs no round trip, and neither does
// statement_timeout, which follows the deadline. A statement that fails dooms the transaction: the
// server refuses what comes after it, and so does this, with the first failure.
//
// What is deferred goes with the next statement, or with the COMMIT, in one batch. If it is all of
// the transaction, the batch is the transaction, without BEGIN and COMMIT.

#include <functional>
#include <memory>
#include <vector>

#include "loadstone/store/connection.h"
#include "loadstone/store/postgres/internal/deadlines.h"
#include "loadstone/store/postgres/internal/deferred.h"
#include "loadstone/store/postgres/internal/metrics.h"
#include "loadstone/store/postgres/internal/pipeline.h"
#include "loadstone/store/tx.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

class TxConnection final : public Connection {
public:
    // Longer between two statements than this, and the body awaits something else.
    static constexpr std::chrono::milliseconds foreign_wait_max{100};
    // Idle for as long, it is looked at before a commit whether the server has ended the session.
    static constexpr std::chrono::milliseconds unlooked_max{1};
    // More is sent without waiting for a statement to go with.
    static constexpr std::size_t deferred_max = 16;
    static constexpr std::size_t deferred_bytes_max = 1 << 20;

    TxConnection(std::shared_ptr<Pipeline> pipeline, std::shared_ptr<Deadlines> deadlines,
                 Metrics& metrics, std::chrono::milliseconds statement_timeout_max)
        : pipeline_(std::move(pipeline)),
          deadlines_(std::move(deadlines)),
          metrics_(metrics),
          statement_timeout_max_(statement_timeout_max),
          timeout_set_(pipeline_->session_timeout()) {}

    Task<RunResult> run(Context& context, StatementRef statement, std::span<const Value> values,
                        RowSink sink) override;
    Task<void> defer(Context& context, StatementRef statement, std::span<const Value> values,
                     DeferredRows take) override;

    enum class Committed { yes, no, unknown };
    // Does not heed cancellation: what has been sent is waited for until the deadline. With `no`
    // and `unknown`, failure() tells why.
    Task<Committed> commit(Context& context);
    // False if the connection is of no more use.
    Task<bool> rollback(Context& context, Deadline deadline);

    void set_waited(std::uint64_t ns) noexcept { waited_ns_ = ns; }
    // Where the body is.
    const runtime::OpenTransaction& at() const noexcept { return at_; }
    // As Tx::see_commits().
    void see_commits();
    bool has_begun() const noexcept { return has_begun_; }
    // Whether there is something to commit.
    bool has_statements() const noexcept { return has_begun_ || !deferred_.empty(); }
    // Whether a statement was left to itself: its end must be awaited before anything else.
    bool is_left_busy() const noexcept { return !pipeline_->is_lost() && !pipeline_->is_idle(); }
    std::exception_ptr failure() const noexcept { return failure_; }
    Reaction reaction() const noexcept { return reaction_; }

private:
    struct Unsent;
    void require_open(Context& context, const StatementRef& statement,
                      std::span<const Value> values);
    std::chrono::milliseconds remaining_of(Deadline deadline) const noexcept;
    bool is_bound(std::chrono::milliseconds remaining) const noexcept;
    void bound_statement(Operation& operation);
    void begin(Operation& operation) const;
    // Whether what is deferred may go as a batch that the server commits at its end.
    bool is_batch(Context& context) const noexcept;
    Task<Committed> commit_batch(Context& context);
    // Puts what is deferred before the next operation, and waits for its end.
    bool send_deferred(Context& context, bool heeds_cancellation);
    // Gives the last of them, null if there are none.
    Task<std::unique_ptr<Deferred>> end_deferred();
    void take_failure(const Operation& operation);
    Committed outcome(const Operation& operation, bool has_failed);
    void note_foreign_wait(Context& context);
    bool has_ended() const noexcept;
    void note_position(Context& context, const Operation& operation) const;

    const std::shared_ptr<Pipeline> pipeline_;
    const std::shared_ptr<Deadlines> deadlines_;
    Metrics& metrics_;
    const std::chrono::milliseconds statement_timeout_max_;
    std::chrono::milliseconds timeout_set_;  // 0: none that is known
    boost::container::small_vector<std::unique_ptr<Deferred>, 2> deferred_;
    std::size_t deferred_bytes_ = 0;
    runtime::OpenTransaction at_;
    std::exception_ptr failure_;
    Reaction reaction_ = Reaction::none;
    std::uint64_t waited_ns_ = 0;  // for this connection: on its first statement's account
    const std::uint64_t taken_tsc_ = telemetry::tsc();  // it has been looked at then
    std::uint64_t last_ended_tsc_ = 0;
    bool has_begun_ = false;
    bool sees_commits_ = false;
    bool is_in_batch_ = false;  // without BEGIN
    bool is_busy_ = false;
    bool was_refused_ = false;    // as Operation::was_refused
    bool has_undecoded_ = false;  // what was deferred gave rows that nobody could take
    bool is_left_ = false;        // nor waited for their end
};

class PostgresTx final : public Tx {
public:
    PostgresTx(Context& context, TxConnection& connection)
        : Tx(context, connection), transaction_(connection) {}
    ~PostgresTx() = default;
    void see_commits() override { transaction_.see_commits(); }
    void after_commit(std::function<void()> action) override {
        actions_.push_back(std::move(action));
    }
    std::vector<std::function<void()>> take_actions() noexcept { return std::move(actions_); }

private:
    TxConnection& transaction_;
    std::vector<std::function<void()>> actions_;
};

}  // namespace loadstone::store::postgres
