// Requests: each writes, and answers at once; the rest is jobs.

#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "shop/shop.h"
#include "shop/sql.h"

namespace shop {

using namespace loadstone;

struct Made {
    std::int64_t id = 0;  // of the order or the job, or how many
};
BOOST_DESCRIBE_STRUCT(Made, (), (id))

struct Count {
    std::string name;
    std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Count, (), (name, count))

struct Totals {
    std::vector<Count> counts;
};
BOOST_DESCRIBE_STRUCT(Totals, (), (counts))

struct Payments {
    std::vector<std::int64_t> numbers;
};
BOOST_DESCRIBE_STRUCT(Payments, (), (numbers))

using Answer = Reply<Made, 202>;

template <class Command, class... Arguments>
Task<Answer> written(Context& context, Command command, Arguments... arguments) {
    Answer answer;
    answer.body.id = co_await context.write(command, arguments...);
    co_return answer;
}

Task<Answer> post_order(Context& context, Body<Order> order) {
    return written(context, place_order, *order);
}
Task<Answer> post_reminders(Context& context, Path<std::string> organisation,
                            Path<std::int64_t> count) {
    return written(context, remind_all, organisation.value, count.value);
}
Task<Answer> post_payments(Context& context, Path<std::string> account, Path<std::int64_t> count) {
    return written(context, take_payments, account.value, count.value);
}
Task<Answer> post_report(Context& context, Path<std::string> organisation) {
    return written(context, start_report, organisation.value);
}
Task<Answer> post_month(Context& context, Path<std::int64_t> accounts) {
    return written(context, close_month, accounts.value);
}
Task<Answer> post_code(Context& context, Path<std::string> customer) {
    return written(context, enqueue_one<SendCode>, SendCode{customer.value});
}
Task<Answer> post_sync(Context& context, Path<std::string> customer) {
    return written(context, enqueue_one<SyncCustomer>, SyncCustomer{"crm", customer.value});
}
Task<Answer> post_import(Context& context, Path<std::string> list, Path<std::int64_t> rows) {
    return written(context, enqueue_one<ImportPrices>, ImportPrices{list.value, rows.value});
}
Task<Answer> post_catalog(Context& context, Path<std::string> language) {
    return written(context, enqueue_one<RebuildCatalog>, RebuildCatalog{language.value});
}
Task<Answer> post_digest(Context& context, Path<std::string> customer) {
    return written(context, enqueue_one<SendDigest>, SendDigest{customer.value});
}
Task<Answer> post_image(Context& context, Path<std::int64_t> image) {
    return written(context, enqueue_one<ScaleImage>, ScaleImage{image.value});
}

Task<Reply<jobs::Progress>> import_progress(Context& context, Path<std::int64_t> id) {
    const auto progress = co_await jobs::progress_of(context.reader(), id.value);
    if (!progress) throw Error(Errc::not_found, "it has told nothing yet, or it has ended");
    Reply<jobs::Progress> reply;
    reply.body = *progress;
    co_return reply;
}

Task<Reply<Totals>> totals(Context& context) {
    Reader reader = context.reader();
    Reply<Totals> reply;
    for (const sql::Tally& tally : co_await sql::tally(reader))
        reply.body.counts.push_back({tally.name, tally.count});
    reply.body.counts.push_back({"invoiced", co_await sql::invoiced(reader)});
    for (const std::string list : {"autumn", "winter"})
        reply.body.counts.push_back({list, co_await sql::count_prices(reader, list)});
    co_return reply;
}

Task<Reply<Payments>> payments(Context& context, Path<std::string> account) {
    Reply<Payments> reply;
    reply.body.numbers = co_await sql::payments_of(context.reader(), account.value);
    co_return reply;
}

void routes(Routes& routes) {
    routes.post("/orders", post_order).open_to_all();
    routes.post("/reminders/{organisation}/{count}", post_reminders).open_to_all();
    routes.post("/payments/{account}/{count}", post_payments).open_to_all();
    routes.get("/payments/{account}", payments).open_to_all();
    routes.post("/reports/{organisation}", post_report).open_to_all();
    routes.post("/months/{accounts}", post_month).open_to_all();
    routes.post("/codes/{customer}", post_code).open_to_all();
    routes.post("/syncs/{customer}", post_sync).open_to_all();
    routes.post("/imports/{list}/{rows}", post_import).open_to_all();
    routes.get("/imports/{id}", import_progress).open_to_all();
    routes.post("/catalogs/{language}", post_catalog).open_to_all();
    routes.post("/digests/{customer}", post_digest).open_to_all();
    routes.post("/images/{image}", post_image).open_to_all();
    routes.get("/totals", totals).open_to_all();
}

Module module() {
    return {.name = "shop", .migrations = sql::migrations, .routes = routes, .jobs = jobs};
}

}  // namespace shop
