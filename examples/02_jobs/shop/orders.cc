// Commands: what is written, and the jobs that commit with it.

#include "loadstone/jobs/publish.h"
#include "loadstone/jobs/workflow.h"
#include "shop/events.h"
#include "shop/shop.h"
#include "shop/sql.h"

namespace shop {

using namespace loadstone;
using std::chrono::milliseconds;

Task<std::int64_t> place_order(Tx& tx, Order order) {
    const auto id =
        co_await sql::insert_order(tx, order.organisation, order.customer, order.item, order.cents);
    const SendInvoice invoice{id, "de"};
    co_await tx.enqueue(invoice);  // exists if and only if the order does

    const OrderPlaced event{id, order.cents};
    co_await jobs::publish(tx, event);

    const AskForReview review{id};
    const jobs::EnqueueOptions later{.delay = milliseconds(2'000)};
    co_await jobs::enqueue(tx, review, later);
    co_return id;
}

Task<std::int64_t> remind_all(Tx& tx, std::string organisation, std::int64_t count) {
    std::vector<SendReminder> reminders;
    for (std::int64_t i = 0; i < count; ++i) reminders.push_back({organisation, "mail.example", i});
    co_await jobs::enqueue_all(tx, reminders);  // one statement
    co_return count;
}

Task<std::int64_t> take_payments(Tx& tx, std::string account, std::int64_t count) {
    std::vector<ApplyPayment> payments;
    for (std::int64_t i = 0; i < count; ++i) payments.push_back({account, i});
    co_await jobs::enqueue_all(tx, payments);
    co_return count;
}

Task<std::int64_t> start_report(Tx& tx, std::string organisation) {
    jobs::Workflow report;
    const auto sum = report.add("sum", SumOrders{organisation});
    const auto count = report.add("count", CountOrders{organisation});
    report.add("mail", MailReport{organisation}, {sum, count});
    const auto ids = co_await jobs::enqueue(tx, report);
    co_return ids.back();
}

Task<std::int64_t> close_month(Tx& tx, std::int64_t accounts) {
    std::vector<CloseAccount> all;
    for (std::int64_t i = 1; i <= accounts; ++i) all.push_back({i});
    const MonthIsClosed then{"november"};
    co_return co_await jobs::enqueue_batch(tx, all, then);
}

}  // namespace shop
