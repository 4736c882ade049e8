#include "reach/reach.h"

#include <fmt/core.h>

#include <charconv>

#include "loadstone/base/error.h"
#include "loadstone/cache/view.h"
#include "loadstone/cache/views.h"
#include "reach/sql.h"
#include "reach/sql_accesses.h"

namespace reach {

using namespace loadstone;

namespace sql {
BOOST_DESCRIBE_STRUCT(ReachRow, (), (lesson, begun, done))
}

namespace {

struct Reach {
    std::vector<sql::ReachRow> lessons;
};
BOOST_DESCRIBE_STRUCT(Reach, (), (lessons))

Task<Reach> compute_reach(Reader reader, std::int64_t course) {
    Reach reach;
    reach.lessons = co_await sql::reach(reader, course);
    co_return reach;
}

const cache::View<std::int64_t, Reach> reach_of_course{
    .name = "reach.course", .compute = compute_reach, .reads = {{"bench_progress", "course_id"}}};

Task<Response> read_reach(Context& context, Path<std::int64_t> course) {
    const auto answer = co_await cache::answer(context, reach_of_course, course.value);
    Response response;
    response.body = *answer.json;
    co_return response;
}

// One that may be so old.
Task<Response> read_reach_within(Context& context, Path<std::int64_t> course) {
    context.reading().freshness = within(std::chrono::milliseconds(100));
    auto reading = read_reach(context, course);
    co_return co_await std::move(reading);
}

struct NewProgress {
    std::int64_t user = 0, lesson = 0;
};
BOOST_DESCRIBE_STRUCT(NewProgress, (), (user, lesson))

Task<std::int64_t> add_in(Tx& tx, std::int64_t course, NewProgress in) {
    const auto added = co_await sql::add_progress(tx, course, in.user, in.lesson);
    co_return static_cast<std::int64_t>(added);
}

Task<Response> add_reach(Context& context, Path<std::int64_t> course, Body<NewProgress> in) {
    co_await context.write(add_in, course.value, *in);
    co_return net::no_content();
}

Task<std::int64_t> touch_in(Tx& tx, std::int64_t lesson) {
    const auto touched = co_await sql::touch_progress(tx, lesson);
    co_return static_cast<std::int64_t>(touched);
}

// Makes every answer invalid. Of a lesson that nobody has: nothing changes.
Task<Response> touch_reach(Context& context) {
    co_await context.write(touch_in, std::int64_t{0});
    co_return net::no_content();
}

Task<std::int64_t> fill_in(Tx& tx, std::int64_t course, std::int64_t learners) {
    const auto made = co_await sql::fill_progress(tx, course, learners);
    co_return static_cast<std::int64_t>(made);
}

// fill-progress COURSES LEARNERS
Task<std::string> fill(Context& context, std::vector<std::string> arguments) {
    std::array<std::int64_t, 2> counts{};
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (arguments.size() != counts.size() ||
            std::from_chars(arguments[i].data(), arguments[i].data() + arguments[i].size(),
                            counts[i])
                    .ec != std::errc())
            throw Error(Errc::invalid_argument, "fill-progress takes two numbers");
    }
    std::int64_t rows = 0;
    for (std::int64_t course = 1; course <= counts[0]; ++course)
        rows += co_await context.write(fill_in, course, counts[1]);
    co_return fmt::format("{} rows\n", rows);
}

void routes(Routes& routes) {
    routes.get("/courses/{course}/reach", read_reach).open_to_all();
    routes.get("/courses/{course}/reach/within", read_reach_within).open_to_all();
    routes.post("/courses/{course}/reach", add_reach).open_to_all();
    routes.post("/courses", touch_reach).open_to_all();
}

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(reach_of_course);
}

}  // namespace

Module module() {
    Module made;
    made.name = "reach";
    made.migrations = sql::migrations;
    made.routes = routes;
    made.views = views;
    made.commands = {{"fill-progress", "Make progress: fill-progress COURSES LEARNERS", fill}};
    return made;
}

}  // namespace reach
