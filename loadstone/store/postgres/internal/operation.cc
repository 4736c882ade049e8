#include "loadstone/store/postgres/internal/operation.h"

#include <fmt/format.h>

#include "loadstone/base/assert.h"
#include "loadstone/store/postgres/internal/pipeline.h"
#include "loadstone/store/postgres/internal/result_row.h"
#include "loadstone/store/statement_budgets.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

Operation::Operation(Context& for_context, const StatementRef& what, std::span<const Value> with,
                     OperationOwner* owner)
    : context(for_context),
      statement(what),
      values(with),
      deadline(for_context.deadline()),
      queued_tsc(telemetry::tsc()),
      owner_(owner) {
    LOADSTONE_ASSERT(static_cast<std::size_t>(statement.parameters) == values.size(),
                     "a statement is given as many values as it has parameters");
}

Operation::~Operation() {
    detach();
    if (!is_over_ && owner_ != nullptr) owner_->ended(*this);
}

void Operation::put(ResultHandle row) {
    bytes_held_ += PQresultMemorySize(row.get());
    rows_.push_back(std::move(row));
}

void Operation::restart() noexcept {
    rows_.clear();
    bytes_held_ = 0;
    affected = 0;
    sent_tsc = 0;
    batch_ns = 0;
}

void Operation::fail(std::exception_ptr failure, Reaction why) {
    if (failure_) return;
    failure_ = std::move(failure);
    reaction = why;
}

void Operation::fail(Error error, Reaction why) {
    if (!failure_) fail(std::make_exception_ptr(std::move(error)), why);
}

void Operation::end() {
    if (is_over_) return;
    is_over_ = true;
    detach();
    DeadlineHook::unlink();
    if (owner_ != nullptr) owner_->ended(*this);
    wakeup_.wake();
}

void Operation::detach() noexcept {
    if (pipeline != nullptr) pipeline->abandon(*this);
    if (QueueHook::is_linked()) QueueHook::unlink();
}

void Operation::expire(bool cancelled) {
    has_expired = true;
    if (cancelled) {
        fail(Error(Errc::cancelled, fmt::format("{}: cancelled", statement.name)));
    } else if (sent_tsc == 0 && owner_ != nullptr) {
        fail(owner_->unsent_error(*this));
    } else {
        fail(Error(
            Errc::deadline_exceeded,
            fmt::format("{}: no answer from the database within the deadline", statement.name)));
    }
    end();
}

bool Operation::is_over_time() {
    // A COMMIT is waited for until the deadline: given up, its outcome would be unknown.
    if (sent_tsc == 0 || !heeds_cancellation) return false;
    if (time_max_ns_ == 0) {
        const auto time_max = StatementBudgets::of(context).budget.time_max;
        time_max_ns_ = static_cast<std::uint64_t>(std::chrono::nanoseconds(time_max).count());
    }
    return telemetry::tsc_to_ns(telemetry::tsc() - sent_tsc) > time_max_ns_;
}

void Operation::expire_over_time() {
    has_expired = true;
    fail(std::make_exception_ptr(StatementBudgets::over_time(context, statement.name)));
    end();
}

void Operation::give_rows(RowSink& sink) {
    // Moved out first: the pipeline may put more while the sink runs.
    auto rows = std::move(rows_);
    rows_.clear();
    bytes_held_ = 0;
    for (const ResultHandle& result : rows) {
        for (int i = 0; i < PQntuples(result.get()); ++i) {
            const ResultRow row(result.get(), i, statement.name, prepared->verified);
            given_rows_ = true;
            sink(row);
            ++rows_given_;
        }
    }
}

Task<RunResult> Operation::complete(RowSink sink, bool finishes) {
    std::exception_ptr thrown;
    for (;;) {
        co_await wakeup_.wait();
        if (!thrown && !failure_) {
            try {
                give_rows(sink);
            } catch (const OverBudget&) {
                // What is left may be anything: it is stopped, not waited for.
                thrown = std::current_exception();
                finishes = false;
            } catch (...) {
                thrown = std::current_exception();
                discards_ = true;
                rows_.clear();
            }
        }
        if (is_over_ || (thrown && !finishes)) break;
        if (pipeline != nullptr) pipeline->resume();
    }
    if (thrown) std::rethrow_exception(thrown);
    if (failure_) std::rethrow_exception(failure_);
    RunResult result;
    result.rows = rows_given_;
    result.affected = affected;
    co_return result;
}

}  // namespace loadstone::store::postgres
