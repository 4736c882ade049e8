// The program that bench/load measures: everything on, as an application has it. `fill N` makes
// rows to read.

#include <fmt/core.h>

#include <charconv>

#include "loadstone/base/error.h"
#include "loadstone/module/module.h"
#include "loadstone/server/application.h"
#include "rows/sql.h"

namespace rows {

using namespace loadstone;

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

struct IndexItem {
    std::int64_t id = 0;
};
BOOST_DESCRIBE_STRUCT(IndexItem, (), (id))

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

Task<void> index_item(Context&, Job<IndexItem>) { co_return; }

Task<std::uint64_t> fill_rows(Tx& tx, std::int64_t count) {
    co_return co_await tx.exec(sql::fill_rows, count);
}

Task<std::string> fill(Context& context, std::vector<std::string> arguments) {
    std::int64_t count = 0;
    if (arguments.size() == 1)
        std::from_chars(arguments[0].data(), arguments[0].data() + arguments[0].size(), count);
    if (count < 1) throw Error(Errc::invalid_argument, "fill takes the number of rows");
    const auto made = co_await context.write(fill_rows, count);
    co_return fmt::format("{} rows\n", made);
}

Task<std::int64_t> enqueue_items(Tx& tx, std::int64_t first, std::int64_t count) {
    std::vector<IndexItem> items;
    for (std::int64_t i = 0; i < count; ++i) items.push_back({first + i});
    co_await jobs::enqueue_all(tx, items);
    co_return count;
}

Task<std::string> enqueue(Context& context, std::vector<std::string> arguments) {
    constexpr std::int64_t batch = 1'000;
    std::int64_t count = 0;
    if (arguments.size() == 1)
        std::from_chars(arguments[0].data(), arguments[0].data() + arguments[0].size(), count);
    if (count < 1) throw Error(Errc::invalid_argument, "enqueue takes the number of jobs");
    for (std::int64_t i = 0; i < count; i += batch)
        co_await context.write(enqueue_items, i, std::min(batch, count - i));
    co_return fmt::format("{} jobs\n", count);
}

void routes(Routes& routes) {
    // A limit that is checked and never hit.
    routes.get("/hello", hello)
        .open_to_all()
        .limit_per_address(1'000'000'000, std::chrono::seconds(1));
    routes.get("/work/{rounds}", work).open_to_all();
    routes.get("/rows/{id}", read_row).open_to_all();
    routes.post("/rows", write_row).open_to_all();
}

void jobs(Handlers& handlers) { handlers.handle(index_item); }

}  // namespace rows

int main(int argc, char** argv) {
    loadstone::server::Application application("bench", "Benchmark application");
    application.add({.name = "rows",
                     .migrations = rows::sql::migrations,
                     .routes = rows::routes,
                     .jobs = rows::jobs,
                     .commands = {{"fill", "Make N rows: fill N", rows::fill},
                                  {"enqueue", "Enqueue N jobs: enqueue N", rows::enqueue}},
                     .budget = {.jobs_max = 1'024}});
    return application.run(argc, argv);
}
