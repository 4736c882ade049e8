#include "loadstone/jobs/enqueue.h"

#include "loadstone/base/assert.h"
#include "loadstone/base/random.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

Task<std::int64_t> enqueue_json(Tx& tx, const std::string& kind, std::string arguments,
                                std::chrono::milliseconds delay) {
    Queue& queue = tx.context().services().get<Queue>();
    const Kind* known = queue.find(kind);
    LOADSTONE_ASSERT(known != nullptr,
                     "a job kind needs a handler in some module before it can be enqueued");
    const std::string key = secret_token(16);
    const std::string_view cause = tx.context().span().name;
    const std::int64_t delay_us = std::chrono::microseconds(delay).count();
    const auto id = co_await tx.one<std::int64_t>(sql::insert_job, kind, arguments, key, cause,
                                                  known->policy.priority, delay_us);
    tx.after_commit([&queue] { queue.wake(); });
    co_return id;
}

Task<void> complete(Tx& tx, const Lease& lease) {
    const auto removed = co_await tx.exec(sql::complete_job, lease.job, lease.process, lease.fence);
    if (removed == 0)
        throw Error(Errc::cancelled, "the lease of this job was lost: another process has it");
}

}  // namespace loadstone::jobs
