#include "told/told.h"

#include "loadstone/analytics/facts.h"
#include "told/sql.h"

namespace told {

using namespace loadstone;

namespace {

// As campus' facts of learning are.
struct Activity {
    Timestamp happened_at;
    std::int64_t course = 0, learner = 0;
    std::string kind;
    std::optional<std::int64_t> lesson, quiz, points;
};
BOOST_DESCRIBE_STRUCT(Activity, (), (happened_at, course, learner, kind, lesson, quiz, points))

struct Attempt {
    std::int64_t course = 0, learner = 0, points = 0;
};
BOOST_DESCRIBE_STRUCT(Attempt, (), (course, learner, points))

struct Made {
    std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(Made, (), (id))

struct IndexAttempt {
    std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(IndexAttempt, (), (id))

Task<std::int64_t> add(Tx& tx, Attempt attempt) {
    const auto id = co_await sql::insert_told(tx, attempt.course, attempt.learner, attempt.points);
    const IndexAttempt job{id};
    co_await tx.enqueue(job);
    co_return id;
}

Task<std::int64_t> add_and_tell(Tx& tx, Attempt attempt) {
    const auto id = co_await add(tx, attempt);
    Activity fact;
    fact.happened_at = Timestamp::now();
    fact.course = attempt.course;
    fact.learner = attempt.learner;
    fact.kind = "quiz_attempted";
    fact.quiz = attempt.course;
    fact.points = attempt.points;
    co_await analytics::record(tx, fact);
    co_return id;
}

Task<Reply<Made, 201>> write_untold(Context& context, Body<Attempt> attempt) {
    Reply<Made, 201> reply;
    reply.body.id = co_await context.write(add, *attempt);
    co_return reply;
}

Task<Reply<Made, 201>> write_told(Context& context, Body<Attempt> attempt) {
    Reply<Made, 201> reply;
    reply.body.id = co_await context.write(add_and_tell, *attempt);
    co_return reply;
}

Task<void> index(Context&, Job<IndexAttempt>) { co_return; }

void routes(Routes& routes) {
    routes.post("/attempts", write_untold).open_to_all();
    routes.post("/attempts/told", write_told).open_to_all();
}

void jobs(Handlers& handlers) { handlers.handle(index); }

void facts(Facts& facts) { facts.table<Activity>("bench_activity"); }

}  // namespace

Module module() {
    Module made;
    made.name = "told";
    made.migrations = sql::migrations;
    made.routes = routes;
    made.jobs = jobs;
    made.facts = facts;
    return made;
}

}  // namespace told
