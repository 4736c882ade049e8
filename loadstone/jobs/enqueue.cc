#include "loadstone/jobs/enqueue.h"

#include "loadstone/base/assert.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

const Kind& known(Queue& queue, const std::string& kind) {
    const Kind* found = queue.find(kind);
    LOADSTONE_ASSERT(found != nullptr,
                     "a job kind needs a handler in some module before it can be enqueued");
    return *found;
}

}  // namespace

Task<std::int64_t> enqueue_json(Tx& tx, const std::string& kind, std::string arguments,
                                std::chrono::milliseconds delay) {
    Queue& queue = tx.context().services().get<Queue>();
    const Kind& of = known(queue, kind);
    const std::string_view cause = tx.context().span().name;
    const int priority = of.policy.priority;
    const auto id = co_await tx.one<std::int64_t>(sql::insert_ready, of.queue, priority, kind,
                                                  arguments, cause);
    if (delay.count() > 0) {
        const std::int64_t delay_us = std::chrono::microseconds(delay).count();
        co_await tx.exec(sql::schedule_ready, id, delay_us, of.queue, priority);
        co_await tx.exec(sql::remove_new_ready, of.queue, priority, id);
    }
    tx.after_commit([&queue] { queue.wake(); });
    co_return id;
}

Task<void> enqueue_all_json(Tx& tx, const std::string& kind, const std::string& arguments) {
    Queue& queue = tx.context().services().get<Queue>();
    const Kind& of = known(queue, kind);
    const std::string_view cause = tx.context().span().name;
    const int priority = of.policy.priority;
    co_await tx.exec(sql::insert_all_ready, of.queue, priority, kind, arguments, cause);
    tx.after_commit([&queue] { queue.wake(); });
}

Task<void> complete(Tx& tx, const Lease& lease) {
    const auto done = co_await tx.exec(sql::complete_job, lease.batch, lease.job, lease.process);
    if (done == 0)
        throw Error(Errc::cancelled, "the lease of this job was lost: another process has it");
}

}  // namespace loadstone::jobs
