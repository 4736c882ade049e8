#include "rows/jobs.h"

#include <fmt/core.h>

#include <array>
#include <atomic>
#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <chrono>

#include "loadstone/base/error.h"
#include "loadstone/runtime/task_scope.h"
#include "rows/sql.h"

namespace rows {

using namespace loadstone;

// Of a tenant, under a throttle and a limit of its key.
struct IndexLimited {
    std::int64_t id = 0;
    std::string tenant, provider, key;
};
BOOST_DESCRIBE_STRUCT(IndexLimited, (), (id, tenant, provider, key))

// The same job without: what limits cost is the difference.
struct IndexUnlimited {
    std::int64_t id = 0;
    std::string tenant, provider, key;
};
BOOST_DESCRIBE_STRUCT(IndexUnlimited, (), (id, tenant, provider, key))

// Its handler records when it began.
struct RecordStart {
    std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(RecordStart, (), (id))

namespace {

struct Enqueued {
    std::int64_t jobs = 0;
    double seconds = 0;
};
BOOST_DESCRIBE_STRUCT(Enqueued, (), (jobs, seconds))

struct Paced {
    std::vector<std::int64_t> committed_us;  // of job 0, 1, ...
};
BOOST_DESCRIBE_STRUCT(Paced, (), (committed_us))

// How often this process has run the job of each id, up to a bound: handlers have only their
// context, and no table may stand between a job that does nothing and its measurement.
class Tally {
public:
    void count(std::int64_t id) {
        all_.fetch_add(1, std::memory_order_relaxed);
        if (id >= 0 && id < ids_max)
            runs_[static_cast<std::size_t>(id)].fetch_add(1, std::memory_order_relaxed);
    }
    Ran ran(std::int64_t jobs) const {
        Ran ran{all_.load(std::memory_order_relaxed), 0};
        for (std::int64_t i = 0; i < std::min(jobs, ids_max); ++i)
            ran.once += runs_[static_cast<std::size_t>(i)].load(std::memory_order_relaxed) == 1;
        return ran;
    }

private:
    static constexpr std::int64_t ids_max = 1'000'000;
    std::atomic<std::int64_t> all_{0};
    std::array<std::atomic<std::uint8_t>, ids_max> runs_{};
};

Tally& tally() {
    static Tally of_this_process;
    return of_this_process;
}

template <typename Item>
Task<void> index_one(Context&, Job<Item> job) {
    tally().count(job->id);
    co_return;
}

std::int64_t now_us() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

Task<void> insert_start(Tx& tx, std::int64_t id, std::int64_t started_us) {
    co_await tx.exec(sql::insert_start, id, started_us);
}

Task<void> record_start(Context& context, Job<RecordStart> job) {
    const std::int64_t started_us = now_us();
    co_await context.write(insert_start, job->id, started_us);
}

std::string rate(std::int64_t jobs, std::chrono::steady_clock::time_point began) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
    const Enqueued enqueued{jobs, taken.count()};
    return to_json(enqueued) + "\n";
}

Task<std::int64_t> enqueue_items(Tx& tx, std::int64_t first, std::int64_t count) {
    std::vector<IndexItem> items;
    for (std::int64_t i = 0; i < count; ++i) items.push_back({first + i});
    co_await jobs::enqueue_all(tx, items);
    co_return count;
}

// Of 1,000 tenants, one throttled provider and 10 limited keys.
template <typename Item>
Task<std::int64_t> enqueue_tenants_items(Tx& tx, std::int64_t first, std::int64_t count) {
    std::vector<Item> items;
    for (std::int64_t id = first; id < first + count; ++id)
        items.push_back(
            {id, fmt::format("t{}", id % 1'000), "provider", fmt::format("k{}", id % 10)});
    co_await jobs::enqueue_all(tx, items);
    co_return count;
}

constexpr std::int64_t enqueue_batch = 1'000;

Task<std::string> enqueue(Context& context, std::vector<std::string> arguments) {
    const std::int64_t count = positive(arguments, 0);
    const auto began = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < count; i += enqueue_batch)
        co_await context.write(enqueue_items, i, std::min(enqueue_batch, count - i));
    co_return rate(count, began);
}

template <typename Item>
Task<std::string> enqueue_of_tenants(Context& context, std::vector<std::string> arguments) {
    const std::int64_t count = positive(arguments, 0);
    const auto began = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < count; i += enqueue_batch)
        co_await context.write(enqueue_tenants_items<Item>, i, std::min(enqueue_batch, count - i));
    co_return rate(count, began);
}

Task<void> enqueue_item(Tx& tx, std::int64_t id) {
    const IndexItem item{id};
    co_await tx.enqueue(item);
}

Task<void> enqueue_share(const runtime::Services& services, std::int64_t first, std::int64_t end,
                         std::int64_t step) {
    Context context(services, runtime::Deadline::in(std::chrono::minutes(10)));
    for (std::int64_t i = first; i < end; i += step) co_await context.write(enqueue_item, i);
}

Task<std::string> enqueue_in_flight(Context& context, std::int64_t count, std::int64_t in_flight) {
    const auto executor = co_await boost::asio::this_coro::executor;
    runtime::TaskScope shares("enqueue_each");
    const auto began = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < in_flight; ++i)
        shares.spawn(executor, enqueue_share(context.services(), i, count, in_flight));
    co_await shares.join(context.deadline());
    if (shares.failures() > 0) throw Error(Errc::internal, "not all jobs could be enqueued");
    co_return rate(count, began);
}

Task<std::string> enqueue_each(Context& context, std::vector<std::string> arguments) {
    const std::int64_t count = positive(arguments, 0);
    const std::int64_t in_flight = positive(arguments, 1);
    co_return co_await enqueue_in_flight(context, count, in_flight);
}

Task<void> enqueue_start(Tx& tx, std::int64_t id) {
    const RecordStart start{id};
    co_await tx.enqueue(start);
}

Task<std::string> pace(Context& context, std::vector<std::string> arguments) {
    const std::int64_t count = positive(arguments, 0);
    const std::chrono::milliseconds every(positive(arguments, 1));
    Paced paced;
    for (std::int64_t i = 0; i < count; ++i) {
        const runtime::Deadline next = runtime::Deadline::in(every);
        co_await context.write(enqueue_start, i);
        paced.committed_us.push_back(now_us());
        co_await runtime::sleep_until(next);
    }
    co_return to_json(paced) + "\n";
}

Task<void> enqueue_starts(Tx& tx, std::int64_t first, std::int64_t count) {
    std::vector<RecordStart> starts;
    for (std::int64_t id = first; id < first + count; ++id) starts.push_back({id});
    co_await jobs::enqueue_all(tx, starts);
}

// An open loop: what is due each 10 ms is one transaction, whatever became of those before, of
// which `stream_shares` may be under way.
constexpr std::int64_t stream_ticks = 100;  // a second
constexpr std::int64_t stream_shares = 32;

struct Stream {
    std::int64_t per_second = 0, seconds = 0;
    runtime::Deadline::Clock::time_point began = runtime::Deadline::Clock::now();
    Paced paced;
};

Task<void> stream_share(const runtime::Services& services, Stream* stream, std::int64_t share) {
    for (std::int64_t tick = share; tick < stream->seconds * stream_ticks; tick += stream_shares) {
        const std::chrono::milliseconds at(tick * 1'000 / stream_ticks);
        const runtime::Deadline due(stream->began + at);
        co_await runtime::sleep_until(due);
        const std::int64_t first = tick * stream->per_second / stream_ticks;
        const std::int64_t end = (tick + 1) * stream->per_second / stream_ticks;
        if (first == end) continue;
        Context context(services, runtime::Deadline::in(std::chrono::seconds(60)));
        co_await context.write(enqueue_starts, first, end - first);
        const std::int64_t committed_us = now_us();
        for (std::int64_t id = first; id < end; ++id)
            stream->paced.committed_us[static_cast<std::size_t>(id)] = committed_us;
    }
}

Task<std::string> stream(Context& context, std::vector<std::string> arguments) {
    Stream all;
    all.per_second = positive(arguments, 0);
    all.seconds = positive(arguments, 1);
    all.paced.committed_us.resize(static_cast<std::size_t>(all.per_second * all.seconds));
    const auto executor = co_await boost::asio::this_coro::executor;
    runtime::TaskScope shares("stream");
    for (std::int64_t share = 0; share < stream_shares; ++share)
        shares.spawn(executor, stream_share(context.services(), &all, share));
    const auto end = runtime::Deadline::in(std::chrono::seconds(all.seconds + 120));
    const bool is_done = co_await shares.join(end);
    if (!is_done || shares.failures() > 0)
        throw Error(Errc::internal, "not all jobs could be enqueued");
    co_return to_json(all.paced) + "\n";
}

}  // namespace

std::int64_t positive(const std::vector<std::string>& arguments, std::size_t place) {
    std::int64_t value = 0;
    if (place < arguments.size()) {
        const std::string& text = arguments[place];
        std::from_chars(text.data(), text.data() + text.size(), value);
    }
    if (value < 1)
        throw Error(Errc::invalid_argument,
                    fmt::format("argument {} must be a positive number", place + 1));
    return value;
}

Task<Reply<Ran>> ran(Context&, Path<std::int64_t> jobs) {
    Reply<Ran> reply{tally().ran(jobs.value)};
    co_return reply;
}

Task<Response> post_jobs(Context& context, Body<InFlight> in) {
    Response response;
    response.body = co_await enqueue_in_flight(context, in->jobs, in->in_flight);
    co_return response;
}

std::vector<module::OperatorCommand> commands_of_jobs() {
    return {
        {"enqueue", "Enqueue N jobs: enqueue N", enqueue},
        {"enqueue-limited", "Enqueue N jobs with tenants and limits: enqueue-limited N",
         enqueue_of_tenants<IndexLimited>},
        {"enqueue-unlimited", "Enqueue the same N jobs without: enqueue-unlimited N",
         enqueue_of_tenants<IndexUnlimited>},
        {"enqueue-each", "Enqueue N jobs, a transaction each: enqueue-each N IN_FLIGHT",
         enqueue_each},
        {"pace", "Enqueue a job now and then: pace N EVERY_MS", pace},
        {"stream", "Enqueue jobs in an open loop: stream PER_SECOND SECONDS", stream},
    };
}

void jobs(Handlers& handlers) {
    handlers.handle(index_one<IndexItem>);
    handlers.handle(index_one<IndexUnlimited>);
    handlers.handle(index_one<IndexLimited>)
        .tenant(&IndexLimited::tenant)
        .limit({.name = "provider", .per_second = 1e6, .burst = 1'000'000}, &IndexLimited::provider)
        .limit({.name = "key", .running_max = 1'000}, &IndexLimited::key);
    handlers.handle(record_start);
}

}  // namespace rows
