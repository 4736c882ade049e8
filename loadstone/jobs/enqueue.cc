#include "loadstone/jobs/enqueue.h"

#include <algorithm>
#include <set>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/jobs/internal/new_job.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs {

namespace {

void require_some(const std::string& arguments) {
    if (arguments.empty()) throw Error(Errc::invalid_argument, "the arguments of a job are empty");
}

// JSON texts, a line each with a comma between. Where one has a line's end of its own, it is space
// between two tokens: within a string JSON escapes it.
std::string to_lines(const std::vector<std::string>& texts) {
    std::size_t size = 0;
    for (const std::string& text : texts) size += text.size() + 2;
    std::string out;
    out.reserve(size);
    for (const std::string& text : texts) {
        require_some(text);
        if (!out.empty()) out += ",\n";
        const std::size_t begin = out.size();
        out += text;
        for (auto at = out.find('\n', begin); at != out.npos; at = out.find('\n', at))
            out[at] = ' ';
    }
    return out;
}

}  // namespace

namespace internal {

NewJob new_job(const Kind& kind, std::string arguments, std::int64_t delay_us, bool is_unique) {
    require_some(arguments);
    NewJob job;
    job.kind = &kind;
    if (kind.is_keyed() || is_unique) {
        const std::shared_ptr<const void> parsed = kind.parse(arguments);
        job.partition = partition_of(kind, parsed.get());
        if (is_unique) job.extra.unique = unique_key_of(kind, parsed.get(), arguments);
    }
    job.extra.gives_unique_back = is_unique && kind.unique_for.count() == 0;
    if (kind.policy.expires_after.count() > 0) {
        const std::chrono::microseconds age = kind.policy.expires_after;
        job.extra.expires_after = delay_us + age.count();
    }
    job.extra.version = kind.version;
    job.arguments = std::move(arguments);
    return job;
}

Task<std::int64_t> insert(Tx& tx, const NewJob& job) {
    const std::string_view cause = tx.context().span().name;
    const std::string extra = to_text_of_new_job(job.extra);
    co_return co_await tx.one<std::int64_t>(sql::insert_ready, job.kind->queue, job.partition,
                                            job.kind->policy.priority, job.kind->name,
                                            job.arguments, cause, extra);
}

Task<void> schedule(Tx& tx, const NewJob& job, std::int64_t id, std::int64_t delay_us,
                    std::int64_t at_us) {
    const int priority = job.kind->policy.priority;
    co_await tx.exec(sql::schedule_ready, id, delay_us, job.kind->queue, job.partition, priority,
                     at_us);
    co_await tx.exec(sql::remove_new_ready, job.kind->queue, job.partition, priority, id);
}

Task<void> block(Tx& tx, const NewJob& job, std::int64_t id, std::int64_t waits_for,
                 bool runs_if_failed) {
    const int priority = job.kind->policy.priority;
    const int runs = runs_if_failed ? 1 : 0;
    co_await tx.exec(sql::block_ready, id, waits_for, runs, job.kind->queue, job.partition,
                     priority);
    co_await tx.exec(sql::remove_new_ready, job.kind->queue, job.partition, priority, id);
}

Task<void> insert_all(Tx& tx, const Kind& kind, std::vector<std::string> arguments,
                      std::int64_t next) {
    LOADSTONE_ASSERT(!kind.is_unique, "many at once are of no unique kind");
    if (arguments.empty()) co_return;
    std::vector<std::string> partitions;
    for (const std::string& each : arguments) {
        if (kind.is_keyed()) partitions.push_back(new_job(kind, each, 0).partition);
    }
    Extra all = new_job(kind, arguments.front(), 0).extra;
    if (next != 0) all.next.push_back(next);
    all.workflow = next;
    const std::string extra = to_text_of_new_job(all);
    const std::string_view cause = tx.context().span().name;
    const int priority = kind.policy.priority;
    const std::string lines = to_lines(arguments);
    if (kind.is_keyed()) {
        const std::string partitions_json = to_json(partitions);
        co_await tx.defer(sql::insert_all_keyed, kind.queue, priority, kind.name, lines, cause,
                          extra, partitions_json);
    } else {
        co_await tx.defer(sql::insert_all_ready, kind.queue, priority, kind.name, lines, cause,
                          extra);
    }
}

}  // namespace internal

namespace {

using internal::NewJob;

// The id of the job that has the key already, or none: then it is taken.
Task<std::optional<std::int64_t>> holder_of(Tx& tx, const NewJob& job) {
    const std::int64_t period = std::chrono::microseconds(job.kind->unique_for).count();
    for (;;) {
        if (period > 0) co_await tx.exec(sql::expire_unique, job.extra.unique);
        const auto taken =
            co_await tx.maybe<std::int64_t>(sql::take_unique, job.extra.unique, period);
        if (taken) co_return std::nullopt;
        std::optional<std::int64_t> holder;
        if (job.kind->unique_while == UniqueWhile::waits) {
            holder = co_await tx.maybe<std::int64_t>(sql::unique_job_that_waits, job.extra.unique);
        } else {
            holder = co_await tx.maybe<std::int64_t>(sql::unique_job, job.extra.unique);
        }
        if (holder) co_return holder;  // or it has just given the key back
    }
}

// Counted once a second, by whoever enqueues then.
Task<bool> is_over_bound(Tx& tx, Queue& queue, const Kind& kind) {
    if (kind.bound == 0) co_return false;
    if (queue.wants_depth(kind)) {
        const std::int64_t limit = kind.bound + 1;
        const auto depth = co_await tx.one<std::int64_t>(sql::queue_depth, kind.queue, limit);
        queue.set_over_bound(kind, depth > kind.bound);
    }
    co_return queue.is_over_bound(kind);
}

[[noreturn]] void reject(Queue& queue, const Kind& kind) {
    queue.rejected();
    throw Error(Errc::resource_exhausted, "queue " + kind.queue + " holds more than " +
                                              std::to_string(kind.bound) + " ready jobs")
        .with_retry_after(std::chrono::milliseconds(1'000));
}

// As its handler will read them.
void require_readable(Tx& tx, const std::string& kind, const std::string& arguments) {
    const Kind& of = tx.context().services().get<Queue>().known(kind);
    try {
        of.parse(arguments);
    } catch (const Error& error) {
        throw Error(Errc::invalid_argument,
                    "the arguments of a job of " + of.name + " cannot be read: " + error.message());
    }
}

const EnqueueOptions no_delay;

// It waits for `options.after`, each once.
Task<void> wait_for(Tx& tx, const NewJob& job, std::int64_t id, const EnqueueOptions& options) {
    const std::set<std::int64_t> before(options.after.begin(), options.after.end());
    const auto count = static_cast<std::int64_t>(before.size());
    co_await internal::block(tx, job, id, count, options.if_failed == IfFailed::run);
    for (const std::int64_t each : before) co_await tx.defer(sql::add_follow, each, id);
}

void check(const Kind& kind, const EnqueueOptions& options) {
    if (options.after.empty()) return;
    LOADSTONE_ASSERT(options.delay.count() == 0 && !options.at,
                     "a job waits for a time or for others");
    if (kind.is_unique)
        throw Error(Errc::invalid_argument,
                    kind.name + " is a unique kind: it cannot wait for other jobs");
}

void wake_after(Tx& tx, Queue& queue) {
    tx.after_commit([&queue] { queue.wake(); });
}

// `was_there`, if it is given, becomes true where another job has the key.
Task<std::int64_t> enqueue_one(Tx& tx, const std::string& kind, std::string arguments,
                               EnqueueOptions options, bool* was_there) {
    Queue& queue = tx.context().services().get<Queue>();
    const Kind& of = queue.known(kind);
    check(of, options);
    std::chrono::milliseconds delay = options.delay;
    const bool is_over = co_await is_over_bound(tx, queue, of);
    if (is_over && of.over_bound == OverBound::reject) reject(queue, of);
    if (is_over && of.over_bound == OverBound::delay) {
        delay = std::max(delay, of.over_bound_delay);
        queue.delayed();
    }
    const bool is_unique = of.is_unique && (is_over || of.over_bound != OverBound::merge);
    const std::int64_t delay_us = std::chrono::microseconds(delay).count();
    const std::int64_t at_us = options.at ? options.at->micros : 0;
    const std::int64_t begins_in = std::max(delay_us, at_us - Timestamp::now().micros);
    const NewJob job = internal::new_job(of, std::move(arguments), begins_in, is_unique);
    if (is_unique) {
        const auto holder = co_await holder_of(tx, job);
        if (holder) {
            queue.merged();
            if (was_there != nullptr) *was_there = true;
            co_return *holder;
        }
    }
    const std::int64_t id = co_await internal::insert(tx, job);
    if (is_unique) co_await tx.exec(sql::unique_is_of, job.extra.unique, id);
    if (!options.after.empty()) {
        co_await wait_for(tx, job, id, options);
    } else if (begins_in > 0) {
        co_await internal::schedule(tx, job, id, delay_us, at_us);
    }
    wake_after(tx, queue);
    co_return id;
}

}  // namespace

namespace internal {

Task<std::int64_t> enqueue_written(Tx& tx, const std::string& kind, std::string arguments,
                                   EnqueueOptions options) {
    return enqueue_one(tx, kind, std::move(arguments), std::move(options), nullptr);
}

Task<Enqueued> enqueue_told(Tx& tx, const std::string& kind, std::string arguments,
                            EnqueueOptions options) {
    bool was_there = false;
    Enqueued enqueued;
    enqueued.id =
        co_await enqueue_one(tx, kind, std::move(arguments), std::move(options), &was_there);
    enqueued.is_new = !was_there;
    co_return enqueued;
}

Task<void> enqueue_with_commit(Tx& tx, const std::string& kind, std::string arguments) {
    Queue& queue = tx.context().services().get<Queue>();
    const Kind& of = queue.known(kind);
    if (of.is_unique || of.bound > 0) {
        co_await enqueue_written(tx, kind, std::move(arguments), no_delay);
        co_return;
    }
    const NewJob job = new_job(of, std::move(arguments), 0);
    const std::string_view cause = tx.context().span().name;
    const std::string extra = to_text_of_new_job(job.extra);
    co_await tx.defer(sql::insert_new, of.queue, job.partition, of.policy.priority, of.name,
                      job.arguments, cause, extra);
    wake_after(tx, queue);
}

Task<void> enqueue_all_written(Tx& tx, const std::string& kind,
                               std::vector<std::string> arguments) {
    Queue& queue = tx.context().services().get<Queue>();
    const Kind& of = queue.known(kind);
    if (of.is_unique || of.bound > 0) {
        for (std::string& each : arguments)
            co_await enqueue_written(tx, kind, std::move(each), no_delay);
        co_return;
    }
    co_await insert_all(tx, of, std::move(arguments), 0);
    wake_after(tx, queue);
}

}  // namespace internal

Task<std::int64_t> enqueue_json(Tx& tx, const std::string& kind, std::string arguments,
                                EnqueueOptions options) {
    require_readable(tx, kind, arguments);
    return internal::enqueue_written(tx, kind, std::move(arguments), options);
}

Task<void> enqueue_all_json(Tx& tx, const std::string& kind, std::vector<std::string> arguments) {
    for (const std::string& each : arguments) require_readable(tx, kind, each);
    return internal::enqueue_all_written(tx, kind, std::move(arguments));
}

}  // namespace loadstone::jobs
