#include "loadstone/store/postgres/internal/transactions.h"

#include <fmt/format.h>

#include "loadstone/base/assert.h"
#include "loadstone/base/log.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/store/moments.h"
#include "loadstone/store/postgres/internal/lease.h"

namespace loadstone::store::postgres {

using runtime::Acquired;

struct Transactions::Outcome {
    enum class Kind { committed, failed, conflict, lost, stale };
    Kind kind = Kind::committed;
    std::exception_ptr failure;
    std::vector<std::function<void()>> after_commit;
};

namespace {

class Turn {
public:
    explicit Turn(runtime::Semaphore* semaphore) : semaphore_(semaphore) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        if (semaphore_ != nullptr) semaphore_->release();
    }

private:
    runtime::Semaphore* semaphore_;
};

void run_actions(std::vector<std::function<void()>> actions) {
    for (const auto& action : actions) {
        try {
            action();
        } catch (...) {
            log::error("what follows a commit failed",
                       {{"error", error_from_exception(std::current_exception()).message()}});
        }
    }
}

// While it lives, the context knows that the body of its transaction runs.
class InBody {
public:
    InBody(Context& context, const TxConnection& connection) noexcept : context_(context) {
        context.set_transaction(&connection.at());
    }
    InBody(const InBody&) = delete;
    InBody& operator=(const InBody&) = delete;
    ~InBody() { context_.set_transaction(nullptr); }

private:
    Context& context_;
};

Deadline::Clock::duration jittered(int conflicts) {
    thread_local Random random(static_cast<std::uint64_t>(telemetry::tsc()));
    const auto longest = std::chrono::milliseconds(2) * (1 << std::min(conflicts - 1, 5));
    return std::chrono::duration_cast<Deadline::Clock::duration>(
        std::min<std::chrono::milliseconds>(longest, std::chrono::milliseconds(50)) *
        random.uniform());
}

bool is_already(const std::exception_ptr& failure, Errc code) {
    if (!failure) return false;
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error.code() == code;
    } catch (...) {
        return false;
    }
}

}  // namespace

Transactions::Transactions(const DatabaseOptions& options, bool is_pooled, std::vector<Loop> loops,
                           std::shared_ptr<ConnectionBudget> budget, Canceller& canceller,
                           Metrics& metrics, runtime::TaskScope& tasks,
                           std::function<std::uint32_t()> newest_history, const Moments* moments)
    : budget_(std::move(budget)),
      transactions_max_(options.transactions_max),
      attempts_max_(options.transaction_attempts_max),
      statement_timeout_max_(options.statement_timeout_max),
      is_pooled_(is_pooled),
      tells_positions_(!options.replicas.urls.empty()),
      newest_history_(std::move(newest_history)),
      moments_(moments),
      loops_(std::move(loops)),
      canceller_(canceller),
      metrics_(metrics),
      tasks_(tasks),
      gates_of_modules_("writes", options.shares, &ConnectionShare::writes_percent,
                        options.transactions_max, options.transaction_waiters_max,
                        metrics.registry),
      permits_(options.transactions_max, options.transaction_waiters_max),
      gates_(options.transaction_waiters_max),
      recovering_(loops_.size(), 0) {}

Transactions::~Transactions() = default;

Task<void> Transactions::transact(Context& context, TxBody body) {
    const auto self = shared_from_this();
    std::optional<store::internal::ModuleGates::Place> place = gates_of_modules_.try_enter(context);
    if (!place) {
        auto entered = co_await gates_of_modules_.enter(context);
        place.emplace(std::move(entered));
    }
    co_await run_until_decided(context, body);
}

Task<void> Transactions::run_until_decided(Context& context, TxBody& body) {
    const int current = runtime::Loops::current();
    LOADSTONE_ASSERT(current >= 0, "a transaction runs on a loop");
    const auto loop = static_cast<std::size_t>(current);
    ContentionGate& gate = gates_.of(context.span().label);
    int conflicts = 0;
    int losses = 0;
    for (;;) {
        context.throw_if_done("a transaction");
        runtime::Semaphore* turn = nullptr;
        if (gate.is_closed()) {
            telemetry::Wait wait(context.span(), telemetry::WaitKind::lock);
            const Acquired acquired = co_await gate.turn().acquire(context.deadline());
            if (acquired == Acquired::queue_full) {
                throw unavailable("too many transactions wait for the same rows");
            }
            if (acquired == Acquired::yes) turn = &gate.turn();
        }
        const Turn held(turn);
        context.throw_if_done("a transaction");
        const std::uint64_t asked = telemetry::tsc();
        Lease lease = co_await acquire(context, loop);
        const std::uint64_t waited_ns = telemetry::tsc_to_ns(telemetry::tsc() - asked);
        Outcome outcome = co_await run_once(context, body, lease, waited_ns);
        switch (outcome.kind) {
            case Outcome::Kind::committed:
                lease.end();
                run_actions(std::move(outcome.after_commit));
                co_return;
            case Outcome::Kind::failed: std::rethrow_exception(outcome.failure);
            case Outcome::Kind::stale: continue;
            case Outcome::Kind::conflict:
                gate.failed(++conflicts);
                if (conflicts >= attempts_max_) std::rethrow_exception(outcome.failure);
                metrics_.retries_conflict.add();
                break;
            case Outcome::Kind::lost:
                if (++losses >= attempts_max_) std::rethrow_exception(outcome.failure);
                metrics_.retries_lost.add();
                break;
        }
        lease.end();
        context.span().repeats = {};  // what runs again is no N+1
        co_await pause_before_retry(context, conflicts);
    }
}

// Full jitter, doubling from 2 ms to 50 ms; a lost connection is not waited for here.
Task<void> Transactions::pause_before_retry(Context& context, int conflicts) {
    if (conflicts == 0) co_return;
    telemetry::Wait wait(context.span(), telemetry::WaitKind::lock);
    const Deadline until = Deadline::in(jittered(conflicts)).sooner(context.deadline());
    co_await runtime::sleep_until(until);
}

Task<Transactions::Outcome> Transactions::run_once(Context& context, TxBody& body, Lease& lease,
                                                   std::uint64_t waited_ns) {
    const MomentOf seen(moments_, context.reading());
    TxConnection connection(lease.pipeline(), loops_[lease.loop()].deadlines, metrics_,
                            statement_timeout_max_);
    connection.set_waited(waited_ns);
    PostgresTx tx(context, connection);
    Outcome outcome;
    try {
        const InBody in_body(context, connection);
        Task<void> running = body(tx);
        co_await std::move(running);
    } catch (...) {
        outcome.failure = std::current_exception();
    }
    bool is_decided = !connection.has_statements();  // a body without statements
    if (!outcome.failure && !connection.failure() && !is_decided) {
        if (context.deadline().passed()) {
            outcome.failure = std::make_exception_ptr(
                Error(Errc::deadline_exceeded, "the deadline passed before the commit"));
        } else {
            const auto committed = co_await connection.commit(context);
            is_decided = committed != TxConnection::Committed::no;
            if (committed == TxConnection::Committed::unknown) {
                metrics_.commits_unknown.add();
                const Error why = error_from_exception(connection.failure());
                outcome.failure = std::make_exception_ptr(
                    unavailable(fmt::format("commit outcome unknown: {}", why.message())));
                outcome.kind = Outcome::Kind::failed;
                lease.settle(false);
                co_return outcome;
            }
        }
    }
    if (is_decided && !outcome.failure && !connection.failure()) {
        outcome.after_commit = tx.take_actions();
        co_return outcome;
    }
    // The body may have swallowed or replaced what the database said.
    if (!outcome.failure) outcome.failure = connection.failure();
    outcome.kind = Outcome::Kind::failed;
    const Reaction reaction = connection.reaction();
    if (reaction == Reaction::retry || reaction == Reaction::prepare_again) {
        outcome.kind = Outcome::Kind::conflict;
        if (!is_already(outcome.failure, Errc::conflict)) outcome.failure = connection.failure();
    }
    if (reaction == Reaction::connection_lost || reaction == Reaction::not_the_primary) {
        outcome.kind = lease.was_idle() ? Outcome::Kind::stale : Outcome::Kind::lost;
        outcome.failure = connection.failure();
        const Error why = error_from_exception(outcome.failure);
        if (reaction == Reaction::not_the_primary) loops_[lease.loop()].connector->failed(why);
        metrics_.connections_lost.add();
        log::debug("a transaction's connection was lost", {{"error", why.message()}});
        lease.drop();
    }
    if (reaction == Reaction::none && is_already(connection.failure(), Errc::unavailable))
        complain(error_from_exception(connection.failure()));
    if (connection.has_begun()) co_await roll_back(context, connection, lease);
    co_return outcome;
}

// Others may succeed meanwhile, so there is no end to announce: it is said again while it lasts.
void Transactions::complain(const Error& why) {
    if (const auto unsaid = complaints_.take(Deadline::Clock::now()))
        log::error("writes fail", {{"error", why.message()}, {"unsaid", *unsaid}});
}

// The caller waits for it where it is a matter of one round trip.
Task<void> Transactions::roll_back(Context& context, TxConnection& connection, Lease& lease) {
    if (!lease.is_open()) co_return;
    const Deadline soon = Deadline::in(std::chrono::seconds(1)).sooner(context.deadline());
    if (connection.is_left_busy() || soon.passed()) {
        lease.settle(true);
        co_return;
    }
    const bool is_clean = co_await connection.rollback(context, soon);
    if (!is_clean) lease.settle(true);
}

// One connection of the budget is the lease's. Those that lie idle beyond it are closed, but for
// the last: it is the lease's while the others are busy, and one of those closes in its place.
void Transactions::fit() {
    const std::size_t allowed = budget_->allowed(Purpose::writes);
    const std::size_t permits = std::clamp<std::size_t>(allowed, 2, transactions_max_ + 1) - 1;
    permits_.resize(permits);
    gates_of_modules_.resize(permits);
    while (budget_->is_over(Purpose::writes)) {
        Idle last{};
        {
            const std::scoped_lock lock(mutex_);
            if (idle_.size() < 2) return;
            last = std::move(idle_.back());
            idle_.pop_back();
        }
        last.pipeline->close(unavailable("there are more connections than this process may have"));
    }
}

void Transactions::stop() {
    std::vector<Idle> idle;
    {
        const std::scoped_lock lock(mutex_);
        is_stopped_ = true;
        idle.swap(idle_);
    }
    for (const Loop& loop : loops_) loop.connector->stop();
    for (const Idle& entry : idle) entry.pipeline->close(unavailable("the store has been stopped"));
}

Transactions::Usage Transactions::usage() const {
    const std::scoped_lock lock(mutex_);
    return {permits_.in_use() + reserve_.in_use(), permits_.waiting(), idle_.size(),
            permits_.permits()};
}

}  // namespace loadstone::store::postgres
