#include "ledger/ledger.h"

#include "ledger/sql.h"
#include "shop/events.h"

namespace ledger {

using namespace loadstone;
using shop::OrderPlaced;

struct Totals {
    std::int64_t entries = 0, cents = 0;
};
BOOST_DESCRIBE_STRUCT(Totals, (), (entries, cents))

Task<void> record_entry(Tx& tx, jobs::Lease lease, OrderPlaced event) {
    co_await jobs::complete(tx, lease);
    co_await tx.exec(sql::insert_entry, event.order, event.cents);
}

Task<void> enter_order(Context& context, Job<OrderPlaced> job) {
    co_await context.write(record_entry, job.lease(), *job);
}

Task<Reply<Totals>> totals(Context& context) {
    Reader reader = context.reader();
    Reply<Totals> reply;
    reply.body = co_await reader.one<Totals>(sql::totals);
    co_return reply;
}

void routes(Routes& routes) { routes.get("/ledger", totals).open_to_all(); }

void jobs(Handlers& handlers) { handlers.on(enter_order); }

Module module() {
    return {.name = "ledger",
            .depends_on = {"shop"},
            .migrations = sql::migrations,
            .routes = routes,
            .jobs = jobs};
}

}  // namespace ledger
