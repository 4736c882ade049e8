#pragma once
// Negotiation: this process's part of one server's connections, on a thread and a connection of
// its own (docs/decisions/0022).
//
// Every process that shares a server holds a session lock that says how many connections it may
// have open: pg_advisory_lock_shared(lock_class, that number). The lock is there as long as its
// session is, so who has died is not counted, and no clock and no table is needed. Under another
// lock, one at a time, each asks what there is, decides (internal/connection_shares.h) and declares
// anew. It opens more only after it has declared more, and declares less only after it has had no
// more. Without its session it opens none beyond those that it has.
//
// That of a replica is the same, among those who read there: session locks are a standby's own,
// and nothing is written. It begins when the server is a replica, and lets go of everything when it
// is the primary: there the other one has agreed on what this process may have.
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
#include "loadstone/store/postgres/internal/servers.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::postgres {

// "conn": what `campus db connections` looks for, too.
constexpr int lock_class = 0x636f6e6e;

class Negotiation {
public:
    // What the server is to this process: a primary without replicas, with some, a replica.
    enum class Serves { all, writes, reads };
    // Which one, and who knows whether it is one just now.
    struct Replica {
        const Servers* servers;  // null: it is none
        std::size_t number;
    };

    // `changed` is called on the thread after the budget has changed.
    Negotiation(const Target& target, const DatabaseOptions& options, std::size_t loops,
                Serves serves, std::shared_ptr<ConnectionBudget> budget,
                telemetry::Registry& registry, std::function<void()> changed,
                Replica replica = {nullptr, 0});
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
    static constexpr std::chrono::milliseconds first_pause{50};

    void serve();
    std::chrono::milliseconds step();  // when the next one is due
    bool is_wanted();
    void release();
    void connect();
    std::chrono::milliseconds renegotiate();  // when to do so next
    bool declare();
    internal::ServerRoom look();
    void allow(std::size_t granted);
    void lost(const Error& why);
    // With that of this thread, and that of the watch.
    std::size_t own_open() const { return budget_->open() + (serves_ == Serves::all ? 1 : 2); }

    const Target target_;
    const DatabaseOptions options_;
    const Serves serves_;
    const Replica replica_;
    const std::shared_ptr<ConnectionBudget> budget_;
    const std::function<void()> changed_;
    telemetry::Registry& registry_;
    internal::ConnectionCounts least_, most_;
    internal::ConnectionNeed need_;
    telemetry::Counter& rounds_;
    telemetry::Counter& failures_;
    telemetry::Counter& without_room_;
    telemetry::Counter& refused_;

    std::unique_ptr<BlockingConnection> connection_;  // of the thread
    internal::Holding holding_;                       // of the thread
    std::chrono::milliseconds pause_ = first_pause;   // of the thread: after the next failure
    log::Throttle complaints_{std::chrono::seconds(10)};
    mutable std::mutex mutex_;
    std::condition_variable woken_;
    State state_;  // under mutex_
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace loadstone::store::postgres
