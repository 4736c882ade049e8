// The program that the tests of the queue do their worst to: kinds of jobs that each show another
// promise of it, and a route that enqueues them together with a row that says so.

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "loadstone/base/error.h"
#include "loadstone/module/module.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/server/application.h"
#include "tests/process/storm/operated.h"
#include "tests/process/storm/run.h"
#include "tests/process/storm/sql.h"

namespace storm {

using namespace loadstone;
using std::chrono::milliseconds;
namespace sql = tests::process::storm::sql;

// Writes a row in the transaction that completes it: exactly once.
struct Transactional {
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Transactional, (), (number))

// Adds a line to a file, and then takes its time: at least once.
struct External {
    std::int64_t number = 0;
    std::int64_t takes_ms = 0;
};
BOOST_DESCRIBE_STRUCT(External, (), (number, takes_ms))

// Takes its time, and heeds its context while it does; then it is as Transactional. A shielded one
// heeds nothing: only the database can refuse what it completes.
struct Slow {
    std::int64_t number = 0;
    std::int64_t takes_ms = 0;
    bool shielded = false;
};
BOOST_DESCRIBE_STRUCT(Slow, (), (number, takes_ms, shielded))

// Takes its process down.
struct Poison {
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Poison, (), (number))

// Fails so many times, then adds a line as External does.
struct Failing {
    std::int64_t number = 0;
    std::int64_t failures = 0;
};
BOOST_DESCRIBE_STRUCT(Failing, (), (number, failures))

// Kinds of which a key says what may run. The rules of harness/keyed.py know their limits too.

// So many of a key at once, whoever's they are. Otherwise as External.
struct Limited {
    std::int64_t number = 0;
    std::string key, tenant;
    std::int64_t takes_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Limited, (), (number, key, tenant, takes_ms))
constexpr int limited_at_once = 2;

// So many of a key in any time.
struct Throttled {
    std::int64_t number = 0;
    std::string key, tenant;
    std::int64_t takes_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Throttled, (), (number, key, tenant, takes_ms))
constexpr double throttled_per_second = 20;
constexpr int throttled_burst = 4;

// Of a key one after the other. Fails so many times, then is as Transactional.
struct Ordered {
    std::int64_t number = 0;
    std::string key;
    std::int64_t failures = 0;
};
BOOST_DESCRIBE_STRUCT(Ordered, (), (number, key, failures))

// One of a key, others are merged into it. Otherwise as External.
struct Unique {
    std::int64_t number = 0;
    std::string key, tenant;
    std::int64_t takes_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Unique, (), (number, key, tenant, takes_ms))

struct Order {
    std::string request;  // whose it is; the test counts what it has been told of each
    std::string kind;
    std::int64_t count = 1;
    bool together = false;  // in one statement
    std::int64_t takes_ms = 0;
    bool shielded = false;
    std::int64_t failures = 0;
    std::string key, tenant;
};
BOOST_DESCRIBE_STRUCT(Order, (),
                      (request, kind, count, together, takes_ms, shielded, failures, key, tenant))

struct Made {
    std::vector<std::int64_t> numbers;
};
BOOST_DESCRIBE_STRUCT(Made, (), (numbers))

template <class Arguments>
Task<void> enqueue(Tx& tx, const std::vector<Arguments>& all, bool together) {
    if (together) {
        co_await jobs::enqueue_all(tx, all);
        co_return;
    }
    for (const Arguments& each : all) co_await tx.enqueue(each);
}

template <class Arguments, class... Rest>
Task<void> enqueue_of(Tx& tx, const Made& made, bool together, Rest... rest) {
    std::vector<Arguments> all;
    for (const std::int64_t number : made.numbers) all.push_back({number, rest...});
    co_await enqueue(tx, all, together);
}

// Says of each whose job it is, its own or that of another.
Task<void> enqueue_unique(Tx& tx, const Made& made, const Order& order) {
    for (const std::int64_t number : made.numbers) {
        const Unique unique{number, order.key, order.tenant, order.takes_ms};
        const std::int64_t job = co_await jobs::enqueue(tx, unique);
        co_await tx.exec(sql::set_job, number, job);
    }
}

Task<Made> place(Tx& tx, Order order) {
    Made made;
    for (std::int64_t i = 0; i < order.count; ++i) {
        made.numbers.push_back(co_await tx.one<std::int64_t>(
            sql::insert_expected, order.request, order.kind, order.failures, order.key));
    }
    if (order.kind == "Transactional")
        co_await enqueue_of<Transactional>(tx, made, order.together);
    else if (order.kind == "External")
        co_await enqueue_of<External>(tx, made, order.together, order.takes_ms);
    else if (order.kind == "Slow")
        co_await enqueue_of<Slow>(tx, made, order.together, order.takes_ms, order.shielded);
    else if (order.kind == "Poison")
        co_await enqueue_of<Poison>(tx, made, order.together);
    else if (order.kind == "Failing")
        co_await enqueue_of<Failing>(tx, made, order.together, order.failures);
    else if (order.kind == "Limited")
        co_await enqueue_of<Limited>(tx, made, order.together, order.key, order.tenant,
                                     order.takes_ms);
    else if (order.kind == "Throttled")
        co_await enqueue_of<Throttled>(tx, made, order.together, order.key, order.tenant,
                                       order.takes_ms);
    else if (order.kind == "Ordered")
        co_await enqueue_of<Ordered>(tx, made, order.together, order.key, order.failures);
    else if (order.kind == "Unique")
        co_await enqueue_unique(tx, made, order);
    else
        throw Error(Errc::invalid_argument, fmt::format("there is no kind \"{}\"", order.kind));
    co_return made;
}

Task<Reply<Made, 201>> place_order(Context& context, Body<Order> order) {
    Reply<Made, 201> reply;
    reply.body = co_await context.write(place, *order);
    co_return reply;
}

// Runs `body` and tells how it ended.
template <class T>
Task<void> told(Context& context, Job<T> job, Task<void> (*body)(Context&, const T&, const Run&)) {
    const Run run(job);
    std::optional<Error> error;
    try {
        co_await body(context, *job, run);
    } catch (...) {
        error = error_from_exception(std::current_exception());
    }
    run.end(error ? to_string(error->code()) : "done");
    if (error) throw std::move(*error);
}

Task<void> record_effect(Tx& tx, jobs::Lease lease, std::int64_t number, std::int64_t attempt) {
    co_await jobs::complete(tx, lease);
    co_await tx.exec(sql::insert_effect, number, lease.job, lease.process, lease.batch, attempt);
}

Task<void> take_time(Context& context, std::int64_t takes_ms) {
    constexpr milliseconds step(10);
    const Deadline end = Deadline::in(milliseconds(takes_ms));
    while (!end.passed()) {
        context.throw_if_done("a slow job");
        const Deadline next = Deadline::in(step).sooner(end);
        co_await runtime::sleep_until(next);
    }
}

Task<void> run_transactional(Context& context, const Transactional&, const Run& run) {
    co_await context.write(record_effect, run.lease(), run.number(), run.attempt());
}

// What is cancelled after its act has failed, and acts again.
template <class T>
Task<void> run_external(Context& context, const T& external, const Run& run) {
    run.act();
    co_await take_time(context, external.takes_ms);
}

Task<void> run_slow(Context& context, const Slow& slow, const Run& run) {
    if (slow.shielded) context.shield(milliseconds(slow.takes_ms) + jobs::recording_grace);
    co_await take_time(context, slow.takes_ms);
    co_await context.write(record_effect, run.lease(), run.number(), run.attempt());
}

Task<void> run_poison(Context&, const Poison&, const Run&) {
    std::abort();
    co_return;
}

void throw_if_it_fails(const Run& run, std::int64_t failures) {
    if (run.attempt() <= failures)
        throw Error(Errc::internal, fmt::format("failure {} of {}", run.attempt(), failures));
}

Task<void> run_failing(Context&, const Failing& failing, const Run& run) {
    throw_if_it_fails(run, failing.failures);
    run.act();
    co_return;
}

Task<void> run_ordered(Context& context, const Ordered& ordered, const Run& run) {
    throw_if_it_fails(run, ordered.failures);
    co_await context.write(record_effect, run.lease(), run.number(), run.attempt());
}

Task<void> transactional(Context& context, Job<Transactional> job) {
    return told(context, std::move(job), run_transactional);
}
Task<void> external(Context& context, Job<External> job) {
    return told(context, std::move(job), run_external<External>);
}
Task<void> slow(Context& context, Job<Slow> job) { return told(context, std::move(job), run_slow); }
Task<void> poison(Context& context, Job<Poison> job) {
    return told(context, std::move(job), run_poison);
}
Task<void> failing(Context& context, Job<Failing> job) {
    return told(context, std::move(job), run_failing);
}
Task<void> limited(Context& context, Job<Limited> job) {
    return told(context, std::move(job), run_external<Limited>);
}
Task<void> throttled(Context& context, Job<Throttled> job) {
    return told(context, std::move(job), run_external<Throttled>);
}
Task<void> ordered(Context& context, Job<Ordered> job) {
    return told(context, std::move(job), run_ordered);
}
Task<void> unique(Context& context, Job<Unique> job) {
    return told(context, std::move(job), run_external<Unique>);
}

void routes(Routes& routes) { routes.post("/orders", place_order).open_to_all(); }

void jobs(Handlers& handlers) {
    constexpr milliseconds soon(50), later(400);
    handlers.handle(transactional).backoff(soon, later);
    handlers.handle(external).backoff(soon, later);
    handlers.handle(slow).backoff(soon, later);
    handlers.handle(poison).backoff(soon, later);
    handlers.handle(failing).backoff(soon, later);
    handlers.handle(limited)
        .backoff(soon, later)
        .tenant(&Limited::tenant)
        .limit({.name = "limited", .running_max = limited_at_once}, &Limited::key);
    handlers.handle(throttled)
        .backoff(soon, later)
        .tenant(&Throttled::tenant)
        .limit({.name = "throttled", .per_second = throttled_per_second, .burst = throttled_burst},
               &Throttled::key);
    handlers.handle(ordered).backoff(soon, later).in_order(&Ordered::key);
    handlers.handle(unique).backoff(soon, later).tenant(&Unique::tenant).unique(&Unique::key);
}

}  // namespace storm

int main(int argc, char** argv) {
    loadstone::server::Application application("storm", "Jobs for the tests of the queue");
    application.add({.name = "storm",
                     .migrations = storm::sql::migrations,
                     .routes = storm::routes,
                     .jobs = storm::jobs,
                     .budget = {.jobs_max = 64}});
    application.add(operated::module());
    return application.run(argc, argv);
}
