#pragma once
// Analytics: the column store of a server, as a service. Its process, the connections to it, and
// the lane on which questions wait for their answers.

#include <atomic>
#include <memory>

#include "loadstone/analytics/options.h"
#include "loadstone/analytics/position.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/runtime/lane.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::analytics {

namespace internal {
class StoreClient;
class StoreProcess;
}  // namespace internal

class Analytics {
public:
    Analytics(const Options& options, telemetry::Registry& registry);
    ~Analytics();  // ends the store's process
    Analytics(const Analytics&) = delete;
    Analytics& operator=(const Analytics&) = delete;

    const Options& options() const noexcept { return options_; }
    internal::StoreClient& client() noexcept { return *client_; }
    internal::StoreProcess& process() noexcept { return *process_; }
    runtime::Lane& queries() noexcept { return queries_; }
    runtime::Lane& exports() noexcept { return exports_; }
    runtime::Lane& feeding() noexcept { return feeding_; }

private:
    const Options options_;
    std::unique_ptr<internal::StoreProcess> process_;
    std::unique_ptr<internal::StoreClient> client_;
    runtime::Lane queries_;  // its threads wait for the store's answers
    runtime::Lane exports_;  // one at a time: they take minutes, and no query waits for them
    runtime::Lane feeding_;
};

}  // namespace loadstone::analytics
