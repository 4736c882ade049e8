#pragma once
// Queue: the kinds that this program knows and the way to wake whoever runs them. A service of
// every server, also of one that runs no jobs itself (--role web).

#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "loadstone/jobs/handlers.h"
#include "loadstone/store/database.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::jobs {

// On which processes tell each other that jobs were committed (Database::listen).
inline constexpr std::string_view wake_channel = "loadstone_jobs";

class Queue {
public:
    // Two kinds of one name are a bug.
    Queue(std::vector<std::unique_ptr<Kind>> kinds, store::Database& database,
          telemetry::Registry& registry);

    // Null if this program does not know it: such jobs wait for one that does.
    const Kind* find(std::string_view name) const noexcept;
    const std::vector<std::unique_ptr<Kind>>& kinds() const noexcept { return kinds_; }

    // Jobs were committed: wakes this process's runner at once and tells the other processes.
    void wake();
    // The runner's wake-up; set before start, cleared after stop.
    void on_wake(std::function<void()> action);

    store::Database& database() const noexcept { return *database_; }

private:
    std::vector<std::unique_ptr<Kind>> kinds_;
    store::Database* database_;
    std::mutex mutex_;
    std::function<void()> on_wake_;
};

}  // namespace loadstone::jobs
