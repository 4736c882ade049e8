#pragma once
// Negotiation: this process's part of the primary's connections, on a thread and a connection of
// its own (docs/decisions/0022).
//
// Every process that shares a server holds a session lock that says how many connections it may
// have open: pg_advisory_lock_shared(lock_class, that number). The lock is there as long as its
// session is, so who has died is not counted, and no clock and no table is needed. Under another
// lock, one at a time, each asks what there is, decides (internal/connection_shares.h) and declares
// anew. It opens more only after it has declared more, and declares less only after it has had no
// more. Without its session it opens none beyond those that it has.
//
// Behind a pooler, and for a guest, nothing is negotiated.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "loadstone/base/log_throttle.h"
#include "loadstone/store/internal/connection_shares.h"
#include "loadstone/store/postgres/internal/blocking_connection.h"
#include "loadstone/store/postgres/internal/connection_budget.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::postgres {

// "conn": what `campus db connections` looks for, too.
constexpr int lock_class = 0x636f6e6e;

class Negotiation {
public:
    // `changed` is called on the thread after the budget has changed. `heavy_here`: heavy reads go
    // to the primary.
    Negotiation(const Target& target, const DatabaseOptions& options, std::size_t loops,
                bool heavy_here, std::shared_ptr<ConnectionBudget> budget,
                telemetry::Registry& registry, std::function<void()> changed);
    ~Negotiation();
    Negotiation(const Negotiation&) = delete;
    Negotiation& operator=(const Negotiation&) = delete;

    void start();
    void stop();

    struct State {
        internal::ServerRoom room{};  // as last seen
        internal::Holding holding{};
        std::size_t target = 0;
    };
    State state() const;

private:
    void serve();
    void connect();
    std::chrono::milliseconds renegotiate();  // when to do so next
    bool declare();
    internal::ServerRoom look();
    void allow(std::size_t granted);
    void lost(const Error& why);
    std::size_t own_open() const { return budget_->open() + 1; }

    const Target target_;
    const DatabaseOptions options_;
    const std::shared_ptr<ConnectionBudget> budget_;
    const std::function<void()> changed_;
    telemetry::Registry& registry_;
    internal::ConnectionCounts least_, most_;
    internal::ConnectionNeed need_;
    telemetry::Counter& rounds_;
    telemetry::Counter& failures_;
    telemetry::Counter& refused_;

    std::unique_ptr<BlockingConnection> connection_;  // of the thread
    internal::Holding holding_;                       // of the thread
    log::Throttle complaints_{std::chrono::seconds(10)};
    mutable std::mutex mutex_;
    std::condition_variable woken_;
    State state_;  // under mutex_
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace loadstone::store::postgres
