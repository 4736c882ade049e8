#include "loadstone/store/postgres/internal/lease.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "loadstone/store/lease_transactions.h"

namespace loadstone::store::postgres {

using runtime::Acquired;

// A connection on its way, wanted by one transaction as long as its deadline lasts.
struct Transactions::Opening {
    Wakeup* waiting = nullptr;
    std::shared_ptr<Pipeline> pipeline;
    bool is_wanted = true;
    bool is_done = false;
    bool recovers = false;  // wanted by nobody but recover()
    void wake() {
        if (waiting != nullptr) std::exchange(waiting, nullptr)->wake();
    }
};

void Transactions::Lease::end() noexcept {
    if (const auto pool = std::move(pool_)) {
        if (pipeline_ != nullptr) pool->give_back(std::move(pipeline_), loop_);
        permits_->release();
    }
}

void Transactions::Lease::drop() noexcept {
    if (const auto pipeline = std::move(pipeline_)) {
        pipeline->close(unavailable("the connection is of no more use"));
    }
}

void Transactions::Lease::settle(bool may_cancel) {
    if (!is_open()) return;
    may_cancel_ = may_cancel;
    const auto pool = pool_;
    auto rest = std::make_shared<Lease>(std::move(*this));
    pool->tasks_.spawn(pool->loops_[loop_].executor, pool->settle(rest));
}

// A ROLLBACK behind the statement under way is answered when that has ended. Its statement_timeout
// is about to end it; if not, it is cancelled, and then the connection is closed: a cancel request
// that comes late must not meet somebody else's statement.
Task<void> Transactions::settle(std::shared_ptr<Lease> lease) {
    const auto self = shared_from_this();
    TxConnection connection(lease->pipeline(), loops_[lease->loop()].deadlines, metrics_,
                            statement_timeout_max_);
    Context own(no_services_, Deadline::unbounded());
    bool is_clean = co_await connection.rollback(own, Deadline::in(std::chrono::milliseconds(150)));
    if (!is_clean && lease->is_open()) {
        if (lease->may_cancel()) lease->pipeline()->cancel_front(canceller_);
        const Deadline last = Deadline::in(std::chrono::seconds(2));
        is_clean = co_await connection.rollback(own, last);
        if (lease->may_cancel()) lease->drop();
    }
    if (!is_clean) lease->drop();
}

void Transactions::require_permit(Acquired acquired, std::size_t loop) const {
    if (acquired == Acquired::queue_full) {
        throw unavailable(
            fmt::format("{} transactions are waiting for one of {} connections, the "
                        "most there may be",
                        permits_.waiting(), permits_.permits()));
    }
    if (acquired == Acquired::deadline_passed) {
        if (!loops_[loop].connector->last_failure().empty())
            throw loops_[loop].connector->unreachable();
        throw Error(
            Errc::deadline_exceeded,
            fmt::format("the deadline passed while all {} transaction connections were in use",
                        permits_.permits()));
    }
}

Task<Transactions::Lease> Transactions::acquire(Context& context, std::size_t loop) {
    std::optional<telemetry::Wait> wait(std::in_place, context.span(), telemetry::WaitKind::pool);
    const bool is_lease = context.services().find<LeaseTransactions>() != nullptr;
    const bool is_reserved = is_lease && reserve_.try_acquire();
    if (!is_reserved && !permits_.try_acquire()) {
        metrics_.transaction_waits.add();
        const Acquired acquired = co_await permits_.acquire(context.deadline());
        require_permit(acquired, loop);
    }
    Lease lease(shared_from_this(), is_reserved ? reserve_ : permits_, loop);
    context.throw_if_done("a transaction");
    if (auto idle = take_idle(loop)) {
        lease.take(std::move(idle), true);
    } else {
        wait.emplace(context.span(), telemetry::WaitKind::database);
        bool was_idle = false;
        auto opened = co_await open(context, loop, was_idle);
        lease.take(std::move(opened), was_idle);
    }
    co_return lease;
}

std::shared_ptr<Pipeline> Transactions::take_idle(std::size_t loop) {
    for (;;) {
        Idle found{};
        {
            const std::scoped_lock lock(mutex_);
            if (is_stopped_) throw unavailable("the store has been stopped");
            if (idle_.empty()) return nullptr;
            auto at = idle_.end() - 1;
            for (auto i = idle_.rbegin(); i != idle_.rend(); ++i) {
                if (i->loop == loop) {
                    at = i.base() - 1;
                    break;
                }
            }
            found = std::move(*at);
            idle_.erase(at);
        }
        if (found.pipeline->has_unread()) {
            metrics_.connections_lost.add();
            found.pipeline->close(unavailable("the connection was closed by the server"));
            continue;
        }
        const auto& known = found.pipeline->known_position();
        if (known && known->position.timeline < newest_history_()) {
            found.pipeline->close(unavailable("the server is not the primary any more"));
            continue;
        }
        if (found.loop != loop) found.pipeline->move_to(loops_[loop].executor);
        return found.pipeline;
    }
}

void Transactions::give_back(std::shared_ptr<Pipeline> pipeline, std::size_t loop) noexcept {
    if (pipeline->is_at_rest()) {
        const bool is_over = budget_->is_over(Purpose::writes);
        const std::scoped_lock lock(mutex_);
        if (!is_stopped_ && (is_over ? idle_.empty() : idle_.size() <= transactions_max_)) {
            idle_.push_back({std::move(pipeline), loop});
            return;
        }
    }
    pipeline->close(unavailable("the connection is of no more use"));
}

// The connection is opened by a task of its own: when this caller's deadline passes first, the
// next one finds the connection idle. It may itself find one that another has given back: there may
// be as many as are allowed.
Task<std::shared_ptr<Pipeline>> Transactions::open(Context& context, std::size_t loop,
                                                   bool& was_idle) {
    const Connector& connector = *loops_[loop].connector;
    if (!connector.last_failure().empty()) recover(loop);
    if (connector.is_away()) throw connector.unreachable();
    Wakeup wakeup;
    const auto opening = std::make_shared<Opening>();
    struct Forget {
        ~Forget() {
            opening.waiting = nullptr;
            opening.is_wanted = false;
        }
        Opening& opening;
    };
    const Forget forget{*opening};
    const runtime::Executor executor = co_await boost::asio::this_coro::executor;
    const auto timer = std::make_shared<boost::asio::steady_timer>(executor);
    tasks_.spawn(loops_[loop].executor, open_in_background(opening, loop, context.deadline()));
    while (!opening->is_done) {
        const auto look = Deadline::in(std::chrono::milliseconds(50)).sooner(context.deadline());
        opening->waiting = &wakeup;
        timer->expires_at(look.instant());
        timer->async_wait([opening, timer](const boost::system::error_code& error) {
            if (!error) opening->wake();
        });
        co_await wakeup.wait();
        timer->cancel();
        if (opening->is_done) break;
        if (auto idle = take_idle(loop)) {
            was_idle = true;
            co_return idle;
        }
        if (context.is_cancelled()) context.throw_if_done("a database connection");
        if (!connector.last_failure().empty()) recover(loop);
        if (context.deadline().passed() || connector.is_away()) throw connector.unreachable();
    }
    if (opening->pipeline == nullptr) throw connector.unreachable();
    co_return std::move(opening->pipeline);
}

void Transactions::recover(std::size_t loop) {
    if (std::exchange(recovering_[loop], 1) != 0) return;
    const auto opening = std::make_shared<Opening>();
    opening->is_wanted = false;
    opening->recovers = true;
    const bool begun = tasks_.spawn(loops_[loop].executor,
                                    open_in_background(opening, loop, Deadline::unbounded()));
    if (!begun) recovering_[loop] = 0;
}

Task<void> Transactions::open_in_background(std::shared_ptr<Opening> opening, std::size_t loop,
                                            Deadline deadline) {
    const auto self = shared_from_this();
    ConnectionHandle connection;
    try {
        connection = co_await loops_[loop].connector->open(deadline, Purpose::writes);
    } catch (const Error&) {
        // The connector keeps why.
    }
    std::shared_ptr<Pipeline> pipeline;
    if (connection != nullptr) {
        PipelineOptions options;
        options.tells_positions = tells_positions_;
        options.prepares = !is_pooled_;
        options.statement_timeout_max = statement_timeout_max_;
        options.keeps_session = !is_pooled_;
        pipeline = std::make_shared<Pipeline>(std::move(connection), loops_[loop].executor, options,
                                              nullptr);
    }
    opening->is_done = true;
    if (opening->recovers) recovering_[loop] = 0;
    if (opening->is_wanted) {
        opening->pipeline = std::move(pipeline);
        opening->wake();
    } else if (pipeline != nullptr) {
        give_back(std::move(pipeline), loop);
    }
}

}  // namespace loadstone::store::postgres
