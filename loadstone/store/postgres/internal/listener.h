#pragma once
// Listener: wakes those who await other processes' commits. One connection, on one loop, LISTENs
// to all channels; it is opened again when it is lost, and then all are woken, because a
// notification may have been missed. Behind a transaction pooler there is no LISTEN: all are woken
// every `poll_every` instead.

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/postgres/internal/connector.h"
#include "loadstone/store/postgres/internal/deadlines.h"
#include "loadstone/store/postgres/internal/pipeline.h"

namespace loadstone::store::postgres {

class Listener final : public std::enable_shared_from_this<Listener>, private PipelineOwner {
public:
    static constexpr std::chrono::milliseconds poll_every{100};

    explicit Listener(bool is_pooled) : is_pooled_(is_pooled) {}

    // From any thread, before and after start().
    void listen(std::string_view channel, std::function<void()> woken);
    void start(const runtime::Executor& executor, std::shared_ptr<Connector> connector,
               std::shared_ptr<Deadlines> deadlines, runtime::TaskScope& tasks);
    void stop();  // on its loop
    // What this backend sends is our own. From any thread.
    void ignore(int backend) noexcept { own_backend_.store(backend, std::memory_order_relaxed); }

private:
    struct Entry {
        std::string channel;
        std::function<void()> woken;
    };

    void lost(Pipeline& pipeline, const Error& why, OperationQueue& unfinished) override;
    void notified(std::string_view channel, int sender) override;
    Task<void> run();
    Task<void> connect();
    Task<void> listen_to_new();
    std::vector<std::string> new_channels();
    void wake(const std::set<std::string>* channels);  // null: all

    const bool is_pooled_;
    std::atomic<int> own_backend_{0};

    std::mutex mutex_;  // entries_, executor_
    std::vector<Entry> entries_;
    std::optional<runtime::Executor> executor_;

    // The loop's.
    std::shared_ptr<Connector> connector_;
    std::shared_ptr<Deadlines> deadlines_;
    std::shared_ptr<Pipeline> pipeline_;
    std::set<std::string> listened_;
    std::set<std::string> notified_;
    Wakeup changed_;
    bool is_stopped_ = false;
    const runtime::Services no_services_;
};

// A channel's name in SQL.
std::string quoted_name(std::string_view name);

}  // namespace loadstone::store::postgres
