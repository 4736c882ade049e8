#include "loadstone/jobs/admin.h"

#include <limits>

#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

Task<std::vector<JobRow>> list_jobs(Reader reader, std::string state, std::string kind,
                                    std::int64_t before, int limit) {
    const std::int64_t below = before > 0 ? before : std::numeric_limits<std::int64_t>::max();
    co_return co_await reader.many<JobRow>(sql::jobs_before, state, kind, below, limit);
}

Task<std::optional<JobRow>> job_by_id(Reader reader, std::int64_t id) {
    co_return co_await reader.maybe<JobRow>(sql::job_by_id, id);
}

Task<bool> retry_job(Tx& tx, std::int64_t id) {
    std::uint64_t changed = co_await tx.exec(sql::make_due, id);
    if (changed == 0) {
        changed = co_await tx.exec(sql::revive_dead_job, id);
        if (changed > 0) co_await tx.exec(sql::remove_dead_job, id);
    }
    if (Queue* queue = tx.context().services().find<Queue>(); queue != nullptr && changed > 0) {
        tx.after_commit([queue] { queue->wake(); });
    }
    co_return changed > 0;
}

}  // namespace loadstone::jobs
