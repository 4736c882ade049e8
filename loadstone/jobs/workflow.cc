#include "loadstone/jobs/workflow.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/assert.h"
#include "loadstone/jobs/internal/new_job.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

// An enqueue of it may give the id of a job that is there already, and that tells nobody of its
// end.
Error unique_cannot_be(const Kind& kind, std::string_view what) {
    return Error(Errc::invalid_argument,
                 fmt::format("{} is a unique kind: it cannot be {}", kind.name, what));
}

}  // namespace

Workflow::Step Workflow::add_written(std::string name, std::string kind, std::string arguments,
                                     std::vector<Step> after, IfFailed if_failed) {
    const Step step = nodes_.size();
    std::ranges::sort(after);
    LOADSTONE_ASSERT(std::ranges::adjacent_find(after) == after.end(), "a step waits once for one");
    LOADSTONE_ASSERT(std::ranges::none_of(nodes_, [&](const Node& n) { return n.name == name; }),
                     "the steps of a workflow have names of their own");
    for (const Step before : after) {
        LOADSTONE_ASSERT(before < step, "a step waits for steps that were added before it");
        nodes_[before].next.push_back(step);
    }
    nodes_.push_back(
        {std::move(name), std::move(kind), std::move(arguments), std::move(after), {}, if_failed});
    return step;
}

// Backwards: a job names those that wait for it, so these have their ids first.
Task<std::vector<std::int64_t>> enqueue(Tx& tx, const Workflow& workflow) {
    Queue& queue = tx.context().services().get<Queue>();
    const auto& nodes = workflow.nodes();
    for (const Workflow::Node& node : nodes) {
        const Kind& kind = queue.known(node.kind);
        if (kind.is_unique)
            throw unique_cannot_be(kind, fmt::format("a step of a workflow (\"{}\")", node.name));
    }
    std::vector<std::int64_t> ids(nodes.size());
    for (std::size_t i = nodes.size(); i-- > 0;) {
        const Workflow::Node& node = nodes[i];
        internal::NewJob job = internal::new_job(queue.known(node.kind), node.arguments, 0);
        job.extra.name = node.name;
        job.extra.workflow = ids.back();
        for (const Workflow::Step next : node.next) job.extra.next.push_back(ids[next]);
        ids[i] = co_await internal::insert(tx, job);
        const auto before = static_cast<std::int64_t>(node.after.size());
        const bool runs_if_failed = node.if_failed == IfFailed::run;
        if (before > 0) co_await internal::block(tx, job, ids[i], before, runs_if_failed);
    }
    tx.after_commit([&queue] { queue.wake(); });
    co_return ids;
}

Task<EndedBefore> ended_before(Reader reader, const Lease& lease) {
    const auto json = co_await result_json(reader, lease.job, "");
    EndedBefore ended;
    if (json) ended = value_or_throw(from_json<EndedBefore>(*json, stored_json));
    co_return ended;
}

namespace internal {

Task<std::int64_t> enqueue_batch_written(Tx& tx, const std::string& kind,
                                         std::vector<std::string> arguments,
                                         const std::string& then_kind, std::string then_arguments) {
    Queue& queue = tx.context().services().get<Queue>();
    const Kind& of = queue.known(kind);
    if (of.is_unique) throw unique_cannot_be(of, "a job of a batch");
    const NewJob then = new_job(queue.known(then_kind), std::move(then_arguments), 0);
    if (then.kind->is_unique) throw unique_cannot_be(*then.kind, "what ends a batch");
    const std::int64_t id = co_await insert(tx, then);
    const auto count = static_cast<std::int64_t>(arguments.size());
    if (count > 0) {
        co_await block(tx, then, id, count, true);
        co_await insert_all(tx, of, std::move(arguments), id);
    }
    tx.after_commit([&queue] { queue.wake(); });
    co_return id;
}

}  // namespace internal

}  // namespace loadstone::jobs
