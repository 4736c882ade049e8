#pragma once
// Connector: opens connections of one use on one loop without blocking it. Of several hosts or
// addresses each gets its share of connect_timeout, the one that worked last comes first. After a
// failure tries are 50 ms .. 2 s apart, doubling, with jitter, one at a time for all who wait.
// What is budgeted waits for a slot first. That the server has no connection left is no outage.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/base/log_throttle.h"
#include "loadstone/base/random.h"
#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/task.h"
#include "loadstone/store/postgres/internal/connection_budget.h"
#include "loadstone/store/postgres/internal/handles.h"
#include "loadstone/store/postgres/internal/target.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::postgres {

class Connector : public std::enable_shared_from_this<Connector> {
public:
    static constexpr std::chrono::milliseconds first_pause{50};
    static constexpr std::chrono::milliseconds longest_pause{2'000};

    // Hosts of the target, by their places in it, that `may_use` is against are left out.
    using MayUse = std::function<bool(std::size_t host)>;

    // `budget`: of connections to the server; null: as many as are asked for.
    Connector(const Target& target, Use use, const DatabaseOptions& options,
              telemetry::Registry& registry, std::shared_ptr<ConnectionBudget> budget = {},
              MayUse may_use = {});

    // A connection in pipeline mode, non-blocking. Begins no try after the deadline, but a try
    // that has begun takes its time, so that impatient callers do not make a slow server look
    // dead. Then, or when stopped, unavailable. Runs on the connector's loop.
    Task<ConnectionHandle> open(Deadline deadline, Purpose purpose = Purpose::others);
    // Ends what is under way within 100 ms. From any thread.
    void stop() noexcept { is_stopped_.store(true, std::memory_order_relaxed); }

    // Why the last try failed, "" if it did not.
    const std::string& last_failure() const noexcept { return last_failure_; }
    // Whether one could be opened, as far as the budget goes.
    bool has_room(Purpose purpose) const {
        return budget_ == nullptr || budget_->has_room(purpose);
    }
    // Whether there may be any, be they open or not.
    bool is_allowed(Purpose purpose) const {
        return budget_ == nullptr || budget_->allowed(purpose) > 0;
    }
    // Whether more are open than there should be.
    bool is_over(Purpose purpose) const { return budget_ != nullptr && budget_->is_over(purpose); }
    // Has it failed for as long as requests wait for it (outage_patience)? Whoever uses the
    // connector keeps one task trying.
    bool is_away() const noexcept;
    // unavailable, with the last failure.
    Error unreachable() const;
    // A connection that was handed out turned out to be useless: the next try waits like after a
    // failure.
    void failed(const Error& why);

private:
    Task<ConnectionHandle> try_endpoints();
    Task<ConnectionBudget::Slot> slot(Deadline deadline, Purpose purpose);
    Task<std::vector<Parameters>> endpoints();
    Task<ConnectionHandle> dial(const Parameters& parameters, Deadline deadline);
    Task<bool> wait_socket(int socket, bool for_writing, Deadline deadline);
    Task<std::vector<std::string>> resolve(const std::string& host);
    void succeeded() noexcept;
    static std::string name_of(const Parameters& endpoint);

    const Parameters parameters_;
    const std::string shown_;
    const Use use_;
    const std::shared_ptr<ConnectionBudget> budget_;
    const MayUse may_use_;
    const std::chrono::milliseconds connect_timeout_;
    const std::chrono::milliseconds outage_patience_;
    std::atomic<bool> is_stopped_{false};
    std::string last_failure_;
    std::string last_good_;  // name_of() the endpoint that worked
    int failures_ = 0;
    log::Throttle complaints_{std::chrono::seconds(10)};
    bool is_told_ = false;     // that it cannot be reached
    bool is_crowded_ = false;  // the last failure: the server has no connection left
    bool waits_for_slot_ = false;
    Deadline::Clock::time_point failing_since_{};
    int tries_under_way_ = 0;  // several while none has failed
    Deadline::Clock::time_point next_try_{};
    Random random_;
    telemetry::Counter& connects_;
    telemetry::Counter& connect_failures_;
    telemetry::Counter& refused_;
    telemetry::Counter& slot_waits_;
};

}  // namespace loadstone::store::postgres
