#pragma once
// tx.enqueue(arguments): a durable job that exists if and only if the transaction commits.
// jobs::enqueue(tx, arguments, options) gives its id, and takes a delay or a time.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

// What becomes of a job when one that it waits for has failed for good.
enum class IfFailed {
    cancel,  // it is dropped, and what waits for it likewise; the rest goes on
    run,     // it runs when all before it have ended
};

// With `after` there is no delay or time: a job waits for one thing.
struct EnqueueOptions {
    std::chrono::milliseconds delay{0};
    // Not before, by the database's clock; the later one of both. One that is over is now.
    std::optional<Timestamp> at;
    // Or when these have ended. One of which there is nothing has ended, and is taken for done; one
    // that is a dead letter has failed, as one that becomes one or is dropped. (Of one that runs at
    // the time of the enqueue this is seen up to half a second after its end, and one that is
    // dropped counts as done.) A unique kind has no such jobs: Errc::invalid_argument.
    std::vector<std::int64_t> after{};
    IfFailed if_failed = IfFailed::cancel;
};

// Gives the job's id; of a unique kind, the one that has its key already. The kind must be known to
// this program (a bug otherwise). Errc::invalid_argument: its handler could not read the arguments.
// Errc::resource_exhausted: its queue is over the kind's bound.
Task<std::int64_t> enqueue_json(Tx& tx, const std::string& kind, std::string arguments,
                                EnqueueOptions options = {});

// Many of one kind in one statement, in their order. Errors as enqueue_json, with no job enqueued.
Task<void> enqueue_all_json(Tx& tx, const std::string& kind, std::vector<std::string> arguments);

// What came of an enqueue.
struct Enqueued {
    std::int64_t id = 0;
    bool is_new = true;  // false: of a unique kind, whose job `id` had the key already
};

namespace internal {

// Likewise, of what to_json() has written of the kind's arguments: they are not looked at.
Task<std::int64_t> enqueue_written(Tx& tx, const std::string& kind, std::string arguments,
                                   EnqueueOptions options);
Task<Enqueued> enqueue_told(Tx& tx, const std::string& kind, std::string arguments,
                            EnqueueOptions options);
Task<void> enqueue_all_written(Tx& tx, const std::string& kind, std::vector<std::string> arguments);
// Without an id, for what needs no answer: it goes to the database with the next statement or the
// commit. Of a unique kind, or one with a bound, the database is asked.
Task<void> enqueue_with_commit(Tx& tx, const std::string& kind, std::string arguments);

}  // namespace internal

template <class Arguments>
Task<std::int64_t> enqueue(Tx& tx, const Arguments& arguments, EnqueueOptions options = {}) {
    return internal::enqueue_written(tx, internal::kind<Arguments>(), to_json(arguments), options);
}

// As enqueue, for who wants to know whether the job was there already.
template <class Arguments>
Task<Enqueued> enqueue_told(Tx& tx, const Arguments& arguments, EnqueueOptions options = {}) {
    return internal::enqueue_told(tx, internal::kind<Arguments>(), to_json(arguments), options);
}

// co_await jobs::enqueue_all(tx, reminders); one statement for a thousand as for one (of a unique
// kind: some for each).
template <class Arguments>
Task<void> enqueue_all(Tx& tx, const std::vector<Arguments>& all) {
    std::vector<std::string> texts;
    texts.reserve(all.size());
    for (const Arguments& each : all) texts.push_back(to_json(each));
    co_await internal::enqueue_all_written(tx, internal::kind<Arguments>(), std::move(texts));
}

}  // namespace loadstone::jobs

namespace loadstone::store {

template <class Arguments>
Task<void> Tx::enqueue(const Arguments& arguments) {
    return jobs::internal::enqueue_with_commit(*this, jobs::internal::kind<Arguments>(),
                                               to_json(arguments));
}

}  // namespace loadstone::store
