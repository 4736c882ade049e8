#include "ledger/ledger.h"

#include "ledger/sql.h"
#include "shop/events.h"

namespace ledger {

using namespace loadstone;
using shop::OrderPlaced;

// As JSON.
namespace sql {
BOOST_DESCRIBE_STRUCT(Totals, (), (entries, cents))
}

Task<void> record_entry(Tx& tx, jobs::Lease lease, OrderPlaced event) {
    co_await jobs::complete(tx, lease);
    co_await sql::insert_entry(tx, event.order, event.cents);
}

Task<void> enter_order(Context& context, Job<OrderPlaced> job) {
    co_await context.write(record_entry, job.lease(), *job);
}

Task<Reply<sql::Totals>> totals(Context& context) {
    Reply<sql::Totals> reply;
    reply.body = co_await sql::totals(context.reader());
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
