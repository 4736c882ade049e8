#pragma once
// Workflows: jobs that wait for other jobs, enqueued together. A batch is many jobs and one that
// runs when all of them have ended.
//
//     Workflow report;
//     const auto rows = report.add("rows", CollectRows{year});
//     const auto chart = report.add("chart", DrawChart{year}, {rows});
//     report.add("mail", MailReport{user}, {rows, chart});
//     co_await jobs::enqueue(tx, report);
//
// A handler reads what a job before its own gave with result_of(reader, lease, "rows").

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/jobs/enqueue.h"

namespace loadstone::jobs {

class Workflow {
public:
    using Step = std::size_t;

    // It begins when all of `after` have ended. A name that is taken is a bug.
    template <class Arguments>
    Step add(std::string name, const Arguments& arguments, std::vector<Step> after = {},
             IfFailed if_failed = IfFailed::cancel) {
        return add_written(std::move(name), internal::kind<Arguments>(), to_json(arguments),
                           std::move(after), if_failed);
    }

    struct Node {
        std::string name, kind, arguments;
        std::vector<Step> after, next;
        IfFailed if_failed = IfFailed::cancel;
    };
    const std::vector<Node>& nodes() const noexcept { return nodes_; }

private:
    Step add_written(std::string name, std::string kind, std::string arguments,
                     std::vector<Step> after, IfFailed if_failed);

    std::vector<Node> nodes_;
};

// The ids of its jobs, in the order in which they were added. Errc::invalid_argument if the kind of
// one is unique.
Task<std::vector<std::int64_t>> enqueue(Tx& tx, const Workflow& workflow);

// How the jobs have ended that one has waited for.
struct EndedBefore {
    std::int64_t jobs = 0;
    std::int64_t failed = 0;
};
BOOST_DESCRIBE_STRUCT(EndedBefore, (), (jobs, failed))
Task<EndedBefore> ended_before(Reader reader, const Lease& lease);

namespace internal {
Task<std::int64_t> enqueue_batch_written(Tx& tx, const std::string& kind,
                                         std::vector<std::string> arguments,
                                         const std::string& then_kind, std::string then_arguments);
}

// `then` runs once, when all of `jobs` have ended, whether done or failed (ended_before). Gives its
// id. Errc::invalid_argument if the kind of either is unique.
template <class Arguments, class Then>
Task<std::int64_t> enqueue_batch(Tx& tx, const std::vector<Arguments>& jobs, const Then& then) {
    std::vector<std::string> texts;
    texts.reserve(jobs.size());
    for (const Arguments& each : jobs) texts.push_back(to_json(each));
    return internal::enqueue_batch_written(tx, internal::kind<Arguments>(), std::move(texts),
                                           internal::kind<Then>(), to_json(then));
}

}  // namespace loadstone::jobs
