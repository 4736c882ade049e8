#include "loadstone/store/postgres/internal/tx_connection.h"

#include <fmt/format.h>

#include "loadstone/base/assert.h"
#include "loadstone/base/log.h"
#include "loadstone/store/internal/storable.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

namespace {

// One snapshot for the whole transaction and no lost updates, as on SQLite; what SERIALIZABLE
// would add (no write skew) costs every transaction.
constexpr std::string_view begin_one_snapshot = "begin isolation level repeatable read";
constexpr std::string_view begin_seeing_commits = "begin isolation level read committed";
// A queue is empty most of the time. The plan that was made then, to read all of it, is kept by the
// session, and would read what an old snapshot keeps dead in it too.
constexpr std::string_view by_index = "set local enable_seqscan = off";
// What has no index seems so dear then that compiling it seems worth while: 100 ms.
constexpr std::string_view uncompiled = "set local jit = off";

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

Task<RunResult> TxConnection::run(Context& context, StatementRef statement,
                                  std::span<const Value> values, RowSink sink) {
    LOADSTONE_ASSERT(!is_busy_, "a transaction runs one statement at a time");
    if (failure_) std::rethrow_exception(failure_);
    context.throw_if_done(statement.name);
    store::internal::require_storable(statement.name, values);
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
    bound_statement(operation);
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    RunResult result;
    try {
        result = co_await operation.complete(sink, true);
    } catch (...) {
        // What the sink throws does no harm to the transaction.
        failure_ = operation.failure();
        reaction_ = operation.reaction;
        last_ended_tsc_ = telemetry::tsc();
        throw;
    }
    account.succeeded();
    last_ended_tsc_ = telemetry::tsc();
    co_return result;
}

void TxConnection::see_commits() {
    if (has_begun_)
        throw Error(Errc::internal, "see_commits() comes before a transaction's first statement");
    sees_commits_ = true;
}

// BEGIN if it is the first, and a timeout if the last one set is much longer than what remains.
void TxConnection::bound_statement(Operation& operation) {
    const auto remaining = std::clamp(operation.deadline.remaining(), std::chrono::milliseconds(1),
                                      statement_timeout_max_);
    if (!has_begun_) {
        operation.before.emplace_back(sees_commits_ ? begin_seeing_commits : begin_one_snapshot);
        if (sees_commits_) {
            operation.before.emplace_back(by_index);
            operation.before.emplace_back(uncompiled);
        }
    }
    if (!has_begun_ || remaining < timeout_set_ * 3 / 4) {
        operation.before.push_back(
            fmt::format("set local statement_timeout = {}", remaining.count()));
        timeout_set_ = remaining;
    }
    has_begun_ = true;
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

Task<TxConnection::Committed> TxConnection::commit(Context& context) {
    note_foreign_wait(context);
    Operation operation(context, commit_statement, {}, nullptr);
    operation.heeds_cancellation = false;
    operation.deadline =
        operation.deadline.sooner(Deadline::in(statement_timeout_max_ + std::chrono::seconds(1)));
    // What a server says before it has seen the COMMIT is that it ends the session.
    if (pipeline_->is_lost() || pipeline_->has_unread()) {
        failure_ = std::make_exception_ptr(
            unavailable("the connection to the database was lost before the commit"));
        reaction_ = Reaction::connection_lost;
        co_return Committed::no;
    }
    Account account(metrics_, operation);
    pipeline_->push_now(operation);
    deadlines_->add(operation);
    bool has_failed = false;
    auto ignore = [](const Row&) {};
    try {
        co_await operation.complete(ignore, true);
    } catch (const Error&) {
        has_failed = true;
    }
    if (!has_failed && !operation.ended_in_rollback) {
        account.succeeded();
        co_return Committed::yes;
    }
    failure_ = operation.failure();
    reaction_ = operation.reaction;
    if (operation.ended_in_rollback) {
        failure_ = std::make_exception_ptr(
            Error(Errc::internal, "the database rolled back what was to be committed"));
        co_return Committed::no;
    }
    const bool has_answer = reaction_ != Reaction::connection_lost && !operation.has_expired;
    co_return has_answer ? Committed::no : Committed::unknown;
}

Task<bool> TxConnection::rollback(Context& context, Deadline deadline) {
    if (pipeline_->is_lost()) co_return false;
    Operation operation(context, rollback_statement, {}, nullptr);
    operation.heeds_cancellation = false;
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
    co_return !has_failed;
}

}  // namespace loadstone::store::postgres
