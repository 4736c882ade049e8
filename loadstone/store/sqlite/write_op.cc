#include "loadstone/store/sqlite/write_op.h"

#include <fmt/core.h>

#include <utility>

#include "loadstone/base/error.h"

namespace loadstone::store::sqlite {

void LaneTx::open(Handle& handle, std::uint64_t waited_ns) {
    handle_ = &handle;
    waited_ns_ = waited_ns;
    actions_.clear();
    open_ = {};
    context_->set_transaction(&open_);
}

// In autocommit mode a statement would be a transaction of its own: after SQLite has rolled back,
// a body that goes on regardless must not write.
Task<RunResult> LaneTx::run(Context& context, StatementRef statement, std::span<const Value> values,
                            RowSink sink) {
    if (handle_ == nullptr || !handle_->in_transaction()) {
        throw Error(Errc::internal,
                    fmt::format("{}: its transaction is over: the body awaited something else than "
                                "its Tx, or went on after an error that ended it",
                                statement.name));
    }
    context.throw_if_done(statement.name);
    open_ = {statement.name, statement.place};
    RunLimits limits;
    limits.lock_ns = std::exchange(waited_ns_, 0);
    const Handle::Outcome outcome = handle_->run(context, statement, values, sink, limits);
    co_return outcome.result;
}

void LaneTx::after_commit(std::function<void()> action) { actions_.push_back(std::move(action)); }

}  // namespace loadstone::store::sqlite
