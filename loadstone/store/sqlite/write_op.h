#pragma once
// WriteOp: one call of transact(), in the frame of the coroutine that awaits it; and LaneTx, the
// Tx that its body gets. Both are touched by the caller until the op is queued, then by the writer
// lane (or whoever takes the op out of the queue under its lock) until it is finished.

#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <vector>

#include "loadstone/store/database.h"
#include "loadstone/store/sqlite/handle.h"
#include "loadstone/telemetry/thread_usage.h"

namespace loadstone::store::sqlite {

class LaneTx final : public Connection, public Tx {
public:
    explicit LaneTx(Context& context) : Tx(context, static_cast<Connection&>(*this)) {}

    Task<RunResult> run(Context& context, StatementRef statement, std::span<const Value> values,
                        RowSink sink) override;
    void see_commits() override {}
    void after_commit(std::function<void()> action) override;

    // On the lane, around each try of the body.
    void open(Handle& handle, std::uint64_t waited_ns);
    void close() noexcept {
        handle_ = nullptr;
        context_->set_transaction(nullptr);
    }
    std::vector<std::function<void()>> take_actions() noexcept { return std::move(actions_); }

private:
    runtime::OpenTransaction open_;
    Handle* handle_ = nullptr;     // null: the body has no transaction (any more)
    std::uint64_t waited_ns_ = 0;  // for the writer's turn: on its first statement's account
    std::vector<std::function<void()>> actions_;
};

struct WriteOp {
    using Handler = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;

    WriteOp(Context& of, TxBody& what) : context(of), body(what), tx(of) {}

    Context& context;
    TxBody& body;
    LaneTx tx;
    std::optional<Handler> handler;  // resumes the caller; taken out before it is used
    std::exception_ptr error;
    bool finished = false;  // the body has returned or thrown
    bool alone = false;     // its group's commit failed a constraint: to be committed by itself
    std::chrono::steady_clock::time_point queued_at{};
    std::uint64_t waiting_since = 0;  // TSC: queued, or the body's end
    std::uint64_t resumed_from = 0;   // TSC: handed back to the caller's executor
    // What the body used on the lane. The caller adds it to its span once it is resumed: the slice
    // in which it queued the op may still be charged to that span when the body runs.
    telemetry::AllocationCount allocations;
    std::uint64_t cpu_tsc = 0;
    std::uint32_t slices = 0;
};

}  // namespace loadstone::store::sqlite
