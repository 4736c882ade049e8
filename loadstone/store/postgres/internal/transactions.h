#pragma once
// Transactions: runs bodies on a bounded pool of exclusive connections, shared by all loops.
//
// A permit of the pool comes first (LeaseTransactions have one of their own), in order of arrival,
// then an idle connection (of this loop if there is one, else another loop's, which moves here) or
// a new one. A body runs on its loop. After a serialisation failure or deadlock it runs again with
// jitter; where one label's retries fail again, its transactions go one at a time for a while
// (ContentionGate). A connection lost before COMMIT was sent costs another run; lost after, the
// outcome is unknown and is said to be.

#include <memory>
#include <mutex>
#include <vector>

#include "loadstone/base/log_throttle.h"
#include "loadstone/base/random.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/database.h"
#include "loadstone/store/internal/module_gates.h"
#include "loadstone/store/postgres/internal/connector.h"
#include "loadstone/store/postgres/internal/contention_gate.h"
#include "loadstone/store/postgres/internal/tx_connection.h"

namespace loadstone::store::postgres {

class Transactions : public std::enable_shared_from_this<Transactions> {
public:
    // What a loop brings along.
    struct Loop {
        runtime::Executor executor;
        std::shared_ptr<Connector> connector;
        std::shared_ptr<Deadlines> deadlines;
    };

    // `newest_history`: that of the primary, 0 if it is not known. `moments`: null where positions
    // are told.
    Transactions(const DatabaseOptions& options, bool is_pooled, std::vector<Loop> loops,
                 std::shared_ptr<ConnectionBudget> budget, Canceller& canceller, Metrics& metrics,
                 runtime::TaskScope& tasks, std::function<std::uint32_t()> newest_history,
                 const Moments* moments);
    ~Transactions();

    // On one of the loops.
    Task<void> transact(Context& context, TxBody body);
    // The budget has changed. From any thread.
    void fit();
    // No transaction begins any more; idle connections are closed.
    void stop();

    struct Usage {
        std::size_t in_use = 0, waiting = 0, idle = 0, permits = 0;
    };
    Usage usage() const;  // from any thread

private:
    struct Idle {
        std::shared_ptr<Pipeline> pipeline;
        std::size_t loop;
    };
    struct Opening;
    struct Outcome;
    class Lease;

    Task<void> run_until_decided(Context& context, TxBody& body);
    Task<Lease> acquire(Context& context, std::size_t loop);
    // Throws what there is to say where none was given.
    void require_permit(runtime::Acquired acquired, std::size_t loop) const;
    Task<std::shared_ptr<Pipeline>> open(Context& context, std::size_t loop, bool& was_idle);
    // Keeps trying, alone, until the server is reached: its end does not depend on who asks.
    void recover(std::size_t loop);
    Task<void> open_in_background(std::shared_ptr<Opening> opening, std::size_t loop,
                                  Deadline deadline);
    std::shared_ptr<Pipeline> take_idle(std::size_t loop);
    void give_back(std::shared_ptr<Pipeline> pipeline, std::size_t loop) noexcept;
    Task<Outcome> run_once(Context& context, TxBody& body, Lease& lease, std::uint64_t waited_ns);
    Task<void> roll_back(Context& context, TxConnection& connection, Lease& lease);
    Task<void> settle(std::shared_ptr<Lease> lease);
    Task<void> pause_before_retry(Context& context, int conflicts);
    // Of a write that the database itself cannot make: a full disk, an I/O error.
    void complain(const Error& why);

    const std::shared_ptr<ConnectionBudget> budget_;
    const std::size_t transactions_max_;
    const int attempts_max_;
    const std::chrono::milliseconds statement_timeout_max_;
    const bool is_pooled_;
    const bool tells_positions_;  // where there are replicas
    const std::function<std::uint32_t()> newest_history_;
    const Moments* const moments_;  // null: positions are told
    const std::vector<Loop> loops_;
    Canceller& canceller_;
    Metrics& metrics_;
    runtime::TaskScope& tasks_;
    store::internal::ModuleGates gates_of_modules_;
    runtime::Semaphore permits_;
    runtime::Semaphore reserve_{1, 0};  // of LeaseTransactions
    ContentionGates gates_;
    const runtime::Services no_services_;
    std::vector<char> recovering_;  // of each loop, there

    mutable std::mutex mutex_;
    std::vector<Idle> idle_;   // under mutex_
    bool is_stopped_ = false;  // under mutex_
    log::Throttle complaints_{std::chrono::seconds(10)};
};

}  // namespace loadstone::store::postgres
