#include "tests/process/storm/operated.h"

#include "loadstone/jobs/workflow.h"
#include "loadstone/runtime/loops.h"

namespace operated {

using namespace loadstone;
using std::chrono::milliseconds;

// Tells `note` as its progress, half of it done, and then takes its time.
struct Watched {
    std::string tenant, host, name, note;
    std::int64_t takes_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Watched, (), (tenant, host, name, note, takes_ms))

// Only takes its time.
struct Taking {
    std::int64_t takes_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Taking, (), (takes_ms))

struct Rated {
    std::string host;
};
BOOST_DESCRIBE_STRUCT(Rated, (), (host))

struct Ordered {
    std::string account;
};
BOOST_DESCRIBE_STRUCT(Ordered, (), (account))

struct Made {
    std::vector<std::int64_t> ids;
};
BOOST_DESCRIBE_STRUCT(Made, (), (ids))

Task<void> take_time(Context& context, std::int64_t takes_ms) {
    const Deadline end = Deadline::in(milliseconds(takes_ms));
    while (!end.passed()) {
        context.throw_if_done("a job that takes its time");
        const Deadline next = Deadline::in(milliseconds(10)).sooner(end);
        co_await runtime::sleep_until(next);
    }
}

Task<void> run_watched(Context& context, Job<Watched> job) {
    job.progress(0.5, job->note);
    co_await take_time(context, job->takes_ms);
}

Task<void> run_taking(Context& context, Job<Taking> job) {
    co_await take_time(context, job->takes_ms);
}

Task<void> run_rated(Context&, Job<Rated>) { co_return; }
Task<void> run_ordered(Context&, Job<Ordered>) { co_return; }

Task<Made> add_watched(Tx& tx, Watched watched) {
    Made made;
    made.ids.push_back(co_await jobs::enqueue(tx, watched));
    co_return made;
}

// One that runs, and one that waits for it.
Task<Made> add_pair(Tx& tx, Taking taking) {
    jobs::Workflow pair;
    const auto first = pair.add("first", taking);
    pair.add("second", Ordered{"after"}, {first});
    Made made;
    made.ids = co_await jobs::enqueue(tx, pair);
    co_return made;
}

Task<Made> add_rated(Tx& tx, std::string host, std::int64_t count) {
    std::vector<Rated> all;
    for (std::int64_t i = 0; i < count; ++i) all.push_back({host});
    co_await jobs::enqueue_all(tx, all);
    co_return Made{};
}

Task<Reply<Made, 201>> post_watched(Context& context, Body<Watched> watched) {
    Reply<Made, 201> reply;
    reply.body = co_await context.write(add_watched, *watched);
    co_return reply;
}
Task<Reply<Made, 201>> post_pair(Context& context, Body<Taking> taking) {
    Reply<Made, 201> reply;
    reply.body = co_await context.write(add_pair, *taking);
    co_return reply;
}
Task<Reply<Made, 201>> post_rated(Context& context, Path<std::string> host,
                                  Path<std::int64_t> count) {
    Reply<Made, 201> reply;
    reply.body = co_await context.write(add_rated, host.value, count.value);
    co_return reply;
}

void routes(Routes& routes) {
    routes.post("/watched", post_watched).open_to_all();
    routes.post("/pair", post_pair).open_to_all();
    routes.post("/rated/{host}/{count}", post_rated).open_to_all();
}

void jobs(Handlers& handlers) {
    handlers.handle(run_watched)
        .tenant(&Watched::tenant)
        .limit({.name = "host", .running_max = 2}, &Watched::host)
        .unique(&Watched::name);
    handlers.handle(run_taking);
    handlers.handle(run_rated).limit({.name = "rate", .per_second = 10, .burst = 5}, &Rated::host);
    handlers.handle(run_ordered).in_order(&Ordered::account);
    handlers.recurring("new_year", "0 0 1 1 *", "Europe/Berlin", Ordered{"year"});
}

loadstone::Module module() { return {.name = "operated", .routes = routes, .jobs = jobs}; }

}  // namespace operated
