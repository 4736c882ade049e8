#pragma once
// What the commands of the command line share: printing, and the database without a server.

#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

#include "loadstone/analytics/facts.h"
#include "loadstone/cache/cache.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/module/module.h"
#include "loadstone/module/progress.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/server/config.h"
#include "loadstone/store/database.h"

namespace loadstone::server::internal {

// To stdout. What others wrote (names, addresses, a mail server's replies) does not act on the
// terminal.
void print(std::string_view text);

// permission_denied if this user may not read the data folder: another user's looks empty.
void require_access(const Config& config);

// A database with one loop, as long as a command runs. It does not migrate: a command must not
// change a schema behind a running server's back.
class CommandSession {
public:
    // Errors: unavailable if the schema is not up to date; as require_access().
    CommandSession(const Config& config, const std::vector<Module>& modules,
                   std::chrono::minutes deadline = std::chrono::minutes(10));
    ~CommandSession();
    CommandSession(const CommandSession&) = delete;
    CommandSession& operator=(const CommandSession&) = delete;

    Context& context() { return context_; }
    // For contexts of its own: of what lasts longer than a command.
    const runtime::Services& services() const { return services_; }
    // REQUIRES that it outlives the session. Once.
    void show_on(module::Progress& progress) { services_.add<module::Progress>(progress); }
    const jobs::Queue& queue() const { return queue_; }
    runtime::Loops& loops() { return loops_; }

private:
    telemetry::Registry registry_;
    runtime::Loops loops_;
    store::StatementBudgets statement_budgets_;
    std::unique_ptr<store::Database> database_;
    cache::Cache cache_;  // what is written is recorded for the servers' caches
    jobs::Queue queue_;
    jobs::ModulePlaces places_;
    analytics::Recorder recorder_;
    runtime::Services services_;
    Context context_;
};

}  // namespace loadstone::server::internal
