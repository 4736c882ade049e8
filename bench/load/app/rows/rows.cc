#include "rows/rows.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"
#include "rows/jobs.h"
#include "rows/sql.h"

namespace rows {

using namespace loadstone;

namespace {

struct Message {
    std::string message;
};
BOOST_DESCRIBE_STRUCT(Message, (), (message))

struct Item {
    std::int64_t id = 0;
    std::string name;
    std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(Item, (), (id, name, amount))

struct NewItem {
    std::string name;
    std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(NewItem, (), (name, amount))

struct Made {
    std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(Made, (), (id))

// 60 bytes of JSON.
Task<Reply<Message>> hello(Context&) {
    Reply<Message> reply{{"Hello, World! This is a response of 60 bytes."}};
    co_return reply;
}

struct Worked {
    std::uint64_t result = 0;
};
BOOST_DESCRIBE_STRUCT(Worked, (), (result))

// CPU and nothing else: about 2 ns a round.
Task<Reply<Worked>> work(Context&, Path<std::int64_t> rounds) {
    if (rounds.value < 0 || rounds.value > 10'000'000)
        throw Error(Errc::invalid_argument, "work takes 0 to 10,000,000 rounds");
    std::uint64_t value = 1;
    for (std::int64_t i = 0; i < rounds.value; ++i)
        value = (value ^ (value >> 29)) * 0x9E3779B97F4A7C15U + 1;
    Reply<Worked> reply{{value >> 12}};
    co_return reply;
}

Task<std::optional<Item>> row_by_id(Reader reader, std::int64_t id) {
    co_return co_await reader.maybe<Item>(sql::row_by_id, id);
}

Task<Reply<Item>> read_row(Context& context, Path<std::int64_t> id) {
    auto row = co_await row_by_id(context.reader(), id.value);
    if (!row) throw Error(Errc::not_found, fmt::format("there is no row {}", id.value));
    Reply<Item> reply{std::move(*row)};
    co_return reply;
}

// What is at most 10 s old: no position is asked for, none is waited for.
Task<Reply<Item>> read_row_within(Context& context, Path<std::int64_t> id) {
    auto row = co_await row_by_id(context.reader(within(std::chrono::seconds(10))), id.value);
    if (!row) throw Error(Errc::not_found, fmt::format("there is no row {}", id.value));
    Reply<Item> reply{std::move(*row)};
    co_return reply;
}

Task<std::int64_t> insert_row(Tx& tx, NewItem item) {
    const auto id = co_await tx.one<std::int64_t>(sql::insert_row, item.name, item.amount);
    const IndexItem job{id};
    co_await tx.enqueue(job);
    co_return id;
}

Task<Reply<Made, 201>> write_row(Context& context, Body<NewItem> item) {
    Reply<Made, 201> reply;
    reply.body.id = co_await context.write(insert_row, *item);
    co_return reply;
}

Task<std::uint64_t> fill_rows(Tx& tx, std::int64_t count) {
    co_return co_await tx.exec(sql::fill_rows, count);
}

Task<std::string> fill(Context& context, std::vector<std::string> arguments) {
    const auto made = co_await context.write(fill_rows, positive(arguments, 0));
    co_return fmt::format("{} rows\n", made);
}

void routes(Routes& routes) {
    // A limit that is checked and never hit.
    routes.get("/hello", hello)
        .open_to_all()
        .limit_per_address(1'000'000'000, std::chrono::seconds(1));
    routes.get("/work/{rounds}", work).open_to_all();
    routes.get("/rows/{id}", read_row).open_to_all();
    routes.get("/rows/{id}/within", read_row_within).open_to_all();
    routes.post("/rows", write_row).open_to_all();
    routes.get("/ran/{jobs}", ran).open_to_all();
    routes.post("/jobs", post_jobs).open_to_all().within(std::chrono::minutes(10));
}

std::vector<module::OperatorCommand> commands() {
    auto all = commands_of_jobs();
    all.insert(all.begin(), {"fill", "Make N rows: fill N", fill});
    return all;
}

}  // namespace

Module module() {
    Module made;
    made.name = "rows";
    made.migrations = sql::migrations;
    made.routes = routes;
    made.jobs = jobs;
    made.commands = commands();
    made.budget.jobs_max = 1'024;
    return made;
}

}  // namespace rows
