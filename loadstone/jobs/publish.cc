#include "loadstone/jobs/publish.h"

#include "loadstone/jobs/enqueue.h"
#include "loadstone/jobs/queue.h"

namespace loadstone::jobs::internal {

Task<void> publish_written(Tx& tx, const std::string& event, std::string arguments) {
    Queue& queue = tx.context().services().get<Queue>();
    for (const std::string& kind : queue.subscribers(event))
        co_await enqueue_with_commit(tx, kind, arguments);
}

}  // namespace loadstone::jobs::internal
