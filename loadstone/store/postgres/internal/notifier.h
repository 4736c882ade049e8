#pragma once
// Notifier: tells other processes of commits, on a connection of its own and outside of every
// transaction: a NOTIFY in one takes a lock of the whole database through its commit. What comes
// within `pause` goes out as one.

#include <mutex>
#include <set>
#include <string>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/postgres/internal/connector.h"
#include "loadstone/store/postgres/internal/deadlines.h"
#include "loadstone/store/postgres/internal/listener.h"
#include "loadstone/store/postgres/internal/pipeline.h"

namespace loadstone::store::postgres {

class Notifier : public std::enable_shared_from_this<Notifier> {
public:
    static constexpr std::chrono::milliseconds pause{5};
    static constexpr std::size_t channels_max = 256;

    Notifier(bool is_pooled, std::shared_ptr<Listener> own_listener)
        : is_pooled_(is_pooled), own_listener_(std::move(own_listener)) {}

    // From any thread. Before start() it is kept; a further channel than channels_max is dropped.
    void notify(std::string_view channel);
    void start(const runtime::Executor& executor, std::shared_ptr<Connector> connector,
               std::shared_ptr<Deadlines> deadlines, runtime::TaskScope& tasks);
    void stop();  // on its loop

private:
    Task<void> run();
    using Channels = std::set<std::string, std::less<>>;
    Task<void> send(const Channels& channels);

    const bool is_pooled_;
    const std::shared_ptr<Listener> own_listener_;

    std::mutex mutex_;
    Channels pending_;
    std::optional<runtime::Executor> executor_;

    // The loop's.
    std::shared_ptr<Connector> connector_;
    std::shared_ptr<Deadlines> deadlines_;
    std::shared_ptr<Pipeline> pipeline_;
    Wakeup changed_;
    bool is_stopped_ = false;
    const runtime::Services no_services_;
};

}  // namespace loadstone::store::postgres
