#pragma once
// Queue: what this program declares of jobs, and the way to wake whoever runs them. A service of
// every server, also of one that runs no jobs itself (--role web).

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
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
    // Two kinds of one name are a bug, and so is one limit that is declared in two ways.
    Queue(Declarations declared, store::Database& database, telemetry::Registry& registry);

    // Null if this program does not know it: such jobs wait for one that does.
    const Kind* find(std::string_view name) const noexcept;
    // A kind that is not known is a bug.
    const Kind& known(std::string_view name) const;
    const std::vector<std::unique_ptr<Kind>>& kinds() const noexcept { return kinds_; }
    const std::vector<Recurring>& recurring() const noexcept { return recurring_; }
    // Of all kinds; by number (Kind::queue_number), the module of each.
    const std::vector<std::string>& queue_modules() const noexcept { return queue_modules_; }
    // Of a queue of this program.
    std::size_t number_of(const std::string& queue) const;
    // Whose jobs a queue's are; of a queue that is not known, its name.
    const std::string& module_of(const std::string& queue) const;
    // The kinds of the jobs that an event becomes.
    const std::vector<std::string>& subscribers(const std::string& event) const;
    // By name; a limit is shared by the kinds that name it.
    const std::map<std::string, Limit, std::less<>>& limits() const noexcept { return limits_; }

    // Jobs were committed: wakes this process's runner at once and tells the other processes.
    void wake();
    // The runner's wake-up, of this process's jobs and of the other processes'; on any thread. Set
    // before start, cleared after stop: it is not called once this has returned.
    void on_wake(std::function<void()> action);

    // How full a kind's queue is, looked at once a second (Declared::bound). On any thread.
    bool wants_depth(const Kind& kind);
    void set_over_bound(const Kind& kind, bool is_over);
    bool is_over_bound(const Kind& kind) const;
    void rejected() { rejected_->add(1); }
    void delayed() { delayed_->add(1); }
    void merged() { merged_->add(1); }

    store::Database& database() const noexcept { return *database_; }

private:
    struct Depth {
        std::atomic<std::int64_t> next_look_ms{0};
        std::atomic<bool> is_over{false};
    };

    std::vector<std::unique_ptr<Kind>> kinds_;
    std::vector<Recurring> recurring_;
    std::map<std::string, std::vector<std::string>> subscribers_;
    std::map<std::string, Limit, std::less<>> limits_;
    std::map<const Kind*, Depth> depths_;         // of kinds with a bound
    std::map<std::string, std::string> modules_;  // by queue
    std::vector<std::string> queue_modules_;
    store::Database* database_;
    telemetry::Counter *rejected_, *delayed_, *merged_;
    struct Woken {
        void operator()();

        std::mutex mutex;
        std::function<void()> action;
    };
    std::shared_ptr<Woken> woken_;  // the database's listener may outlive the queue
    bool is_listening_ = false;
};

}  // namespace loadstone::jobs
