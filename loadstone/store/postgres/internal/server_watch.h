#pragma once
// ServerWatch: asks one server again and again where it is, on a connection of its own, so that
// neither heavy reads nor a full pipeline delay the answer.

#include <memory>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/postgres/internal/connector.h"
#include "loadstone/store/postgres/internal/deadlines.h"
#include "loadstone/store/postgres/internal/pipeline.h"
#include "loadstone/store/postgres/internal/servers.h"

namespace loadstone::store::postgres {

class ServerWatch : public std::enable_shared_from_this<ServerWatch> {
public:
    ServerWatch(Servers& servers, std::size_t server, const ReplicaOptions& options)
        : servers_(servers),
          server_(server),
          ask_every_(options.ask_every),
          silent_max_(options.silent_max) {}

    void start(const runtime::Executor& executor, std::shared_ptr<Connector> connector,
               std::shared_ptr<Deadlines> deadlines, runtime::TaskScope& tasks);
    void stop();  // on its loop

private:
    Task<void> run();
    Task<void> connect();
    Task<void> ask();

    Servers& servers_;
    const std::size_t server_;
    const std::chrono::milliseconds ask_every_, silent_max_;
    std::optional<runtime::Executor> executor_;
    std::shared_ptr<Connector> connector_;
    std::shared_ptr<Deadlines> deadlines_;
    std::shared_ptr<Pipeline> pipeline_;
    bool is_stopped_ = false;
    const runtime::Services no_services_;
};

}  // namespace loadstone::store::postgres
