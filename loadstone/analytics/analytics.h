#pragma once
// Analytics: the column store of a server, as a service, and the lanes on which questions wait for
// its answers.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "loadstone/analytics/options.h"
#include "loadstone/analytics/position.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/runtime/freshness.h"
#include "loadstone/runtime/lane.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::analytics {

namespace internal {
class Answers;
class ColumnStore;
}  // namespace internal

class Analytics {
public:
    Analytics(const Options& options, telemetry::Registry& registry);
    ~Analytics();  // ends the store's process, if it has one
    Analytics(const Analytics&) = delete;
    Analytics& operator=(const Analytics&) = delete;

    const Options& options() const noexcept { return options_; }
    internal::ColumnStore& store() noexcept { return *store_; }
    internal::Answers& answers() noexcept { return *answers_; }

    // Whether the store is the one that the database names, and has its history: what feeds it, or
    // sees that another server does, says so. From any thread. Before it is known, it is not.
    void open();
    void close(std::string why);
    // Errors: unavailable, with why.
    void require_open() const;
    // Whether who reads so may be given the state of then: not if it is older than
    // Options::answer_lag_max, or than `within(age)` says. Errors: unavailable, with how old it is.
    void require_fresh(std::string_view question, const runtime::Freshness& freshness,
                       Timestamp as_of) const;

    runtime::Lane& queries() noexcept { return queries_; }
    runtime::Lane& exports() noexcept { return exports_; }
    runtime::Lane& feeding() noexcept { return feeding_; }

private:
    const Options options_;
    std::unique_ptr<internal::ColumnStore> store_;
    std::unique_ptr<internal::Answers> answers_;
    telemetry::Counter& too_old_;
    mutable std::mutex mutex_;
    std::string closed_because_ = "the server has not seen yet whose column store it has";
    runtime::Lane queries_;  // its threads wait for the store's answers
    runtime::Lane exports_;  // one at a time: they take minutes, and no query waits for them
    runtime::Lane feeding_;
};

}  // namespace loadstone::analytics
