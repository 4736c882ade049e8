#include "loadstone/store/postgres/internal/tx_connection.h"

#include <fmt/format.h>

#include "loadstone/base/assert.h"
#include "loadstone/base/log.h"
#include "loadstone/store/internal/storable.h"
#include "loadstone/store/postgres/internal/plan_sampler.h"

namespace loadstone::store::postgres {

namespace {

// One snapshot for the whole transaction and no lost updates, as on SQLite; what SERIALIZABLE
// would add (no write skew) costs every transaction.
constexpr Query begin_one_snapshot{"loadstone.begin", "", "begin isolation level repeatable read",
                                   0};
constexpr Query begin_seeing_commits{"loadstone.begin_seeing_commits", "",
                                     "begin isolation level read committed", 0};
// A queue is empty most of the time. The plan that was made then, to read all of it, is kept by the
// session, and would read what an old snapshot keeps dead in it too.
constexpr std::string_view by_index = "set local enable_seqscan = off";
// What has no index seems so dear then that compiling it seems worth while: 100 ms.
constexpr std::string_view uncompiled = "set local jit = off";

constexpr Query nothing{"loadstone.nothing", "", "select", 0};
constexpr Query commit_statement{"loadstone.commit", "", "commit", 0};
constexpr Query rollback_statement{"loadstone.rollback", "", "rollback", 0};

// Clears the flag when a statement is over, also when its frame is destroyed.
struct Busy {
    explicit Busy(bool& is_busy) : flag(is_busy) { flag = true; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() { flag = false; }
    bool& flag;
};

}  // namespace

// What was deferred goes with a statement or, when that fails before it is sent, nowhere.
struct TxConnection::Unsent {
    explicit Unsent(TxConnection& of) : connection(of) {}
    Unsent(const Unsent&) = delete;
    Unsent& operator=(const Unsent&) = delete;
    ~Unsent() {
        if (is_over || connection.deferred_.empty()) return;
        connection.deferred_.clear();
        if (!connection.failure_)
            connection.failure_ = std::make_exception_ptr(
                Error(Errc::internal,
                      "what was deferred was not sent: the statement that it was "
                      "to go with failed before"));
    }
    TxConnection& connection;
    bool is_over = false;
};

void TxConnection::require_open(Context& context, const StatementRef& statement,
                                std::span<const Value> values) {
    LOADSTONE_ASSERT(!is_busy_, "a transaction runs one statement at a time");
    at_ = {statement.name, statement.place};
    if (failure_) std::rethrow_exception(failure_);
    context.throw_if_done(statement.name);
    store::internal::require_storable(statement.name, values);
    metrics_.statistics.require_new(context.span(), statement);
}

Task<RunResult> TxConnection::run(Context& context, StatementRef statement,
                                  std::span<const Value> values, RowSink sink) {
    Unsent unsent(*this);
    require_open(context, statement, values);
    note_foreign_wait(context);
    const Busy busy(is_busy_);
    Operation operation(context, statement, values, nullptr);
    operation.deadline =
        operation.deadline.sooner(Deadline::in(statement_timeout_max_ + std::chrono::seconds(1)));
    Account account(metrics_, operation);
    if (pipeline_->is_lost()) {
        failure_ = std::make_exception_ptr(unavailable(
            fmt::format("{}: the connection to the database was lost", statement.name)));
        reaction_ = Reaction::connection_lost;
        std::rethrow_exception(failure_);
    }
    if (!send_deferred(context, true)) std::rethrow_exception(failure_);
    unsent.is_over = true;
    bound_statement(operation);
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    co_await end_deferred();
    // Of one that was over its budget the server may have no end of rows.
    if (is_left_) std::rethrow_exception(failure_);
    RunResult result;
    try {
        result = co_await operation.complete(sink, true);
    } catch (...) {
        // What the sink throws does no harm to the transaction.
        take_failure(operation);
        // It was stopped: the server is still at it, and the transaction is over.
        if (!operation.is_over() && !failure_) failure_ = std::current_exception();
        last_ended_tsc_ = telemetry::tsc();
        if (metrics_.sampler != nullptr)
            metrics_.sampler->saw(operation, PlanSampler::Ran::in_transaction, true);
        throw;
    }
    last_ended_tsc_ = telemetry::tsc();
    if (failure_) std::rethrow_exception(failure_);  // of what was deferred
    if (metrics_.sampler != nullptr)
        metrics_.sampler->saw(operation, PlanSampler::Ran::in_transaction, false);
    account.succeeded();
    co_return result;
}

Task<void> TxConnection::defer(Context& context, StatementRef statement,
                               std::span<const Value> values, DeferredRows take) {
    Unsent unsent(*this);
    require_open(context, statement, values);
    unsent.is_over = true;
    deferred_.push_back(std::make_unique<Deferred>(statement, values, std::move(take)));
    deferred_bytes_ += deferred_.back()->bytes();
    if (deferred_.size() < deferred_max && deferred_bytes_ < deferred_bytes_max) co_return;
    const std::span<const Value> none;
    auto ignore = [](const Row&) {};
    co_await run(context, nothing, none, ignore);
}

// False: one could not be put before what comes next, so that nothing is sent.
bool TxConnection::send_deferred(Context& context, bool heeds_cancellation) {
    for (const auto& each : deferred_) {
        Operation& operation = each->make_operation(context, metrics_);
        operation.heeds_cancellation = heeds_cancellation;
        operation.deadline = operation.deadline.sooner(
            Deadline::in(statement_timeout_max_ + std::chrono::seconds(1)));
        bound_statement(operation);
        operation.commits = is_in_batch_ && each == deferred_.back();
        pipeline_->put_before_next(operation);
        deadlines_->add(operation);
        if (!operation.is_over()) continue;
        take_failure(operation);
        deferred_.clear();
        return false;
    }
    return true;
}

void TxConnection::take_failure(const Operation& operation) {
    if (failure_ || !operation.failure()) return;
    failure_ = operation.failure();
    reaction_ = operation.reaction;
    was_refused_ = operation.was_refused;
}

// They are over before what they were sent with.
Task<std::unique_ptr<Deferred>> TxConnection::end_deferred() {
    for (const auto& each : deferred_) {
        bool has_failed = is_left_;  // then nothing is read of those behind it either
        auto take = [&](const Row& row) { each->take(row); };
        try {
            if (!is_left_) co_await each->operation().complete(take, true);
        } catch (...) {
            has_failed = true;
            if (!each->operation().failure()) {
                if (!failure_) failure_ = std::current_exception();
                has_undecoded_ = true;
                is_left_ = !each->operation().is_over();
            }
        }
        take_failure(each->operation());
        each->account(!has_failed);
    }
    std::unique_ptr<Deferred> last;
    if (!deferred_.empty()) last = std::move(deferred_.back());
    deferred_.clear();
    deferred_bytes_ = 0;
    co_return last;
}

void TxConnection::see_commits() {
    if (has_statements())
        throw Error(Errc::internal, "see_commits() comes before a transaction's first statement");
    sees_commits_ = true;
}

// BEGIN if it is the first, and a timeout if the one in force is much longer than what remains.
void TxConnection::bound_statement(Operation& operation) {
    operation.waited_ns = std::exchange(waited_ns_, 0);
    if (is_in_batch_) return;
    const auto remaining = remaining_of(operation.deadline);
    if (!has_begun_) begin(operation);
    if (!is_bound(remaining)) {
        operation.before.push_back(
            fmt::format("set local statement_timeout = {}", remaining.count()));
        timeout_set_ = remaining;
    }
    has_begun_ = true;
}

void TxConnection::begin(Operation& operation) const {
    operation.begin = sees_commits_ ? &begin_seeing_commits : &begin_one_snapshot;
    if (!sees_commits_) return;
    operation.before.emplace_back(by_index);
    operation.before.emplace_back(uncompiled);
}

void TxConnection::note_foreign_wait(Context& context) {
    if (last_ended_tsc_ == 0) return;
    const std::uint64_t idle_ns = telemetry::tsc_to_ns(telemetry::tsc() - last_ended_tsc_);
    if (idle_ns < static_cast<std::uint64_t>(std::chrono::nanoseconds(foreign_wait_max).count()))
        return;
    metrics_.foreign_waits.add();
    log::warning("a transaction body let its transaction wait; it should await nothing else",
                 {{"for", context.span().name}, {"ms", idle_ns / 1'000'000}});
}

// What a server says before it has seen the COMMIT is that it ends the session.
bool TxConnection::has_ended() const noexcept {
    if (pipeline_->is_lost()) return true;
    const std::uint64_t idle = telemetry::tsc() - std::max(taken_tsc_, last_ended_tsc_);
    const auto unlooked_ns =
        static_cast<std::uint64_t>(std::chrono::nanoseconds(unlooked_max).count());
    // Behind a pooler the answer to a COMMIT does not tell whether it came to the server.
    const bool is_due = telemetry::tsc_to_ns(idle) > unlooked_ns || !pipeline_->keeps_session();
    return is_due && pipeline_->has_unread();
}

Task<TxConnection::Committed> TxConnection::commit(Context& context) {
    note_foreign_wait(context);
    if (has_ended()) {
        failure_ = std::make_exception_ptr(
            unavailable("the connection to the database was lost before the commit"));
        reaction_ = Reaction::connection_lost;
        co_return Committed::no;
    }
    if (deadlines_->is_closed()) {
        failure_ = std::make_exception_ptr(unavailable("the store has been stopped"));
        co_return Committed::no;
    }
    if (is_batch(context)) co_return co_await commit_batch(context);
    Operation operation(context, commit_statement, {}, nullptr);
    operation.heeds_cancellation = false;
    operation.wants_position = pipeline_->tells_positions();
    operation.deadline =
        operation.deadline.sooner(Deadline::in(statement_timeout_max_ + std::chrono::seconds(1)));
    Account account(metrics_, operation);
    if (!send_deferred(context, false)) co_return Committed::no;
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    co_await end_deferred();
    if (is_left_) co_return Committed::unknown;
    bool has_failed = false;
    auto ignore = [](const Row&) {};
    try {
        co_await operation.complete(ignore, true);
    } catch (const Error&) {
        has_failed = true;
    }
    const Committed committed = outcome(operation, has_failed || failure_);
    if (committed == Committed::yes) account.succeeded();
    note_position(context, operation);
    co_return committed;
}

// Where the session's own isolation and timeout are those of the transaction. Where the server is
// asked for its position, the question comes behind a COMMIT.
bool TxConnection::is_batch(Context& context) const noexcept {
    return !has_begun_ && !sees_commits_ && pipeline_->keeps_session() &&
           !pipeline_->tells_positions() && is_bound(remaining_of(context.deadline()));
}

// The last one is over when the server has committed, so it stands for the COMMIT.
Task<TxConnection::Committed> TxConnection::commit_batch(Context& context) {
    is_in_batch_ = true;
    if (!send_deferred(context, false)) co_return Committed::no;
    pipeline_->flush();
    const std::unique_ptr<Deferred> last = co_await end_deferred();
    if (is_left_) co_return Committed::unknown;
    co_return outcome(last->operation(), failure_ != nullptr);
}

std::chrono::milliseconds TxConnection::remaining_of(Deadline deadline) const noexcept {
    return std::clamp(deadline.remaining(), std::chrono::milliseconds(1), statement_timeout_max_);
}

// The statement_timeout that the session or the transaction has is about that of the deadline.
bool TxConnection::is_bound(std::chrono::milliseconds remaining) const noexcept {
    return remaining <= timeout_set_ && remaining >= timeout_set_ * 3 / 4;
}

TxConnection::Committed TxConnection::outcome(const Operation& operation, bool has_failed) {
    if (!has_failed && !operation.ended_in_rollback) return Committed::yes;
    take_failure(operation);
    if (operation.ended_in_rollback) {
        failure_ = std::make_exception_ptr(
            Error(Errc::internal, "the database rolled back what was to be committed"));
        return Committed::no;
    }
    // It has committed, for all that this side made of an answer before it.
    if (!operation.failure()) return Committed::unknown;
    // Rows that could not be taken end no transaction: then it is the commit's own answer that
    // says.
    const Reaction reaction = has_undecoded_ ? operation.reaction : reaction_;
    const bool has_answer = reaction != Reaction::connection_lost && !operation.has_expired;
    const bool was_refused = was_refused_ || (has_undecoded_ && operation.was_refused);
    return has_answer || was_refused ? Committed::no : Committed::unknown;
}

Task<bool> TxConnection::rollback(Context& context, Deadline deadline) {
    if (pipeline_->is_lost()) co_return false;
    Operation operation(context, rollback_statement, {}, nullptr);
    operation.heeds_cancellation = false;
    operation.wants_position = pipeline_->tells_positions();
    operation.deadline = deadline;
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    bool has_failed = false;
    auto ignore = [](const Row&) {};
    try {
        co_await operation.complete(ignore, true);
    } catch (const Error&) {
        has_failed = true;
    }
    note_position(context, operation);
    co_return !has_failed;
}

// What it did, or has read, is behind it for whoever it was for.
void TxConnection::note_position(Context& context, const Operation& operation) const {
    if (operation.wants_position) context.reading().saw(primary_position(operation.position));
}

}  // namespace loadstone::store::postgres
