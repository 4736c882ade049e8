// Handlers, and what is declared of each kind.

#include <fmt/core.h>

#include "loadstone/base/error.h"
#include "loadstone/jobs/workflow.h"
#include "loadstone/runtime/loops.h"
#include "shop/printer.h"
#include "shop/shop.h"
#include "shop/sql.h"

namespace shop {

using namespace loadstone;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Most handlers of this program only count that they ran: once each, in the transaction that
// completes the job.
Task<void> count_done(Tx& tx, jobs::Lease lease, std::string what) {
    co_await jobs::complete(tx, lease);
    co_await sql::add_to_tally(tx, what, 1);
}

// ---- at least once outside, exactly once in the database ----

Task<void> record_invoice(Tx& tx, jobs::Lease lease, std::int64_t order) {
    co_await jobs::complete(tx, lease);  // throws if another process has the job: all rolls back
    co_await sql::mark_invoiced(tx, order);
}

Task<void> send_invoice(Context& context, Job<SendInvoice> job) {
    const auto order = co_await sql::order_by_id(context.reader(), job->order);
    if (!order) throw Error(Errc::data_loss, fmt::format("there is no order {}", job->order));
    const std::string text = fmt::format("invoice ({}) for {}", job->language, order->item);
    co_await print_line(context, job.idempotency_key(), text);  // at least once
    context.shield(jobs::recording_grace);  // it is printed: that is recorded, whatever stops now
    co_await context.write(record_invoice, job.lease(), job->order);  // exactly once
}

// Version 1 had no language: all were in English.
std::string add_language(int from, std::string json) {
    if (from < 2) json.insert(json.size() - 1, R"(,"language":"en")");
    return json;
}

// A kind that has moved: what waits under its old name becomes the new one, once.
Task<void> move_bill(Tx& tx, jobs::Lease lease, billing::SendBill bill) {
    co_await jobs::complete(tx, lease);
    const SendInvoice invoice{bill.order, "fr"};
    co_await tx.enqueue(invoice);
}

Task<void> send_bill(Context& context, Job<billing::SendBill> job) {
    co_await context.write(move_bill, job.lease(), *job);
}

Task<void> ask_for_review(Context& context, Job<AskForReview> job) {
    const std::string what = "reviews";
    co_await context.write(count_done, job.lease(), what);
}

// ---- bounds ----

Task<void> send_reminder(Context& context, Job<SendReminder> job) {
    const std::string text = fmt::format("reminder {} {}", job->organisation, job->number);
    co_await print_line(context, job.idempotency_key(), text);
}

Task<void> send_code(Context& context, Job<SendCode> job) {
    const std::string what = "codes";
    co_await context.write(count_done, job.lease(), what);
}

Task<void> record_payment(Tx& tx, jobs::Lease lease, ApplyPayment payment) {
    co_await jobs::complete(tx, lease);
    co_await sql::insert_payment(tx, payment.account, payment.number);
}

// The third of each account fails at first: those behind it wait.
Task<void> apply_payment(Context& context, Job<ApplyPayment> job) {
    if (job->number == 2 && job.attempt() == 1)
        throw Error(Errc::internal, "the bank's answer makes no sense");
    co_await context.write(record_payment, job.lease(), *job);
}

// ---- waiting without holding a place ----

Task<void> sync_customer(Context& context, Job<SyncCustomer> job) {
    const auto asked = co_await jobs::saved_step<int>(context.reader(), job.lease(), "asked");
    if (asked.value_or(0) < 2) {
        co_await context.write(jobs::save_step<int>, job.lease(), std::string("asked"),
                               asked.value_or(0) + 1);
        throw jobs::snooze(milliseconds(200));  // the partner is still at it: asked again later
    }
    const std::string what = "syncs";
    co_await context.write(count_done, job.lease(), what);
}

// ---- a long job: steps, progress, cancellation ----

constexpr std::int64_t rows_in_a_step = 50;

Task<void> import_rows(Tx& tx, jobs::Lease lease, std::string list, std::int64_t from,
                       std::int64_t to) {
    for (std::int64_t row = from; row < to; ++row)
        co_await sql::insert_price(tx, list, row, 100 + row);
    co_await jobs::save_step(tx, lease, "rows", to);  // in the transaction of what was done
}

Task<void> import_prices(Context& context, Job<ImportPrices> job) {
    const auto saved =
        co_await jobs::saved_step<std::int64_t>(context.reader(), job.lease(), "rows");
    for (std::int64_t row = saved.value_or(0); row < job->rows; row += rows_in_a_step) {
        context.throw_if_done("importing prices");  // cancelled, stopped, or out of time
        const std::int64_t to = std::min(row + rows_in_a_step, job->rows);
        co_await context.write(import_rows, job.lease(), job->list, row, to);
        job.progress(static_cast<double>(to) / static_cast<double>(job->rows),
                     fmt::format("{} of {} rows", to, job->rows));
        const Deadline pause = Deadline::in(milliseconds(20));
        co_await runtime::sleep_until(pause);
    }
    const std::string what = "imports";
    co_await context.write(count_done, job.lease(), what);
}

// ---- unique ----

Task<void> rebuild_catalog(Context& context, Job<RebuildCatalog> job) {
    const Deadline end = Deadline::in(milliseconds(500));
    co_await runtime::sleep_until(end);
    const std::string what = "catalogs";
    co_await context.write(count_done, job.lease(), what);
}

Task<void> send_digest(Context& context, Job<SendDigest> job) {
    const std::string what = "digests";
    co_await context.write(count_done, job.lease(), what);
}

Task<void> scale_image(Context& context, Job<ScaleImage> job) {
    const std::string what = "images";
    co_await context.write(count_done, job.lease(), what);
}

// ---- a workflow: results ----

Task<void> sum_orders(Context& context, Job<SumOrders> job) {
    job.give(co_await sql::sum_of(context.reader(), job->organisation));
}

Task<void> count_orders(Context& context, Job<CountOrders> job) {
    job.give(co_await sql::count_of(context.reader(), job->organisation));
}

Task<void> mail_report(Context& context, Job<MailReport> job) {
    Reader reader = context.reader();
    const auto sum = co_await jobs::result_of<std::int64_t>(reader, job.lease(), "sum");
    const auto count = co_await jobs::result_of<std::int64_t>(reader, job.lease(), "count");
    const std::string text = fmt::format("report {}: {} orders, {} cents", job->organisation,
                                         count.value_or(0), sum.value_or(0));
    co_await print_line(context, job.idempotency_key(), text);
}

// ---- a batch ----

Task<void> close_account(Context& context, Job<CloseAccount> job) {
    if (job->account == 13) throw Error(Errc::data_loss, "account 13 does not add up");
    const std::string what = "closed";
    co_await context.write(count_done, job.lease(), what);
}

Task<void> ask_accountant(Context& context, Job<CloseAccount> buried) {
    const std::string text = fmt::format("account {} is to be looked at", buried->account);
    co_await print_line(context, buried.idempotency_key(), text);
}

Task<void> month_is_closed(Context& context, Job<MonthIsClosed> job) {
    const auto ended = co_await jobs::ended_before(context.reader(), job.lease());
    const std::string text =
        fmt::format("{}: {} accounts, {} failed", job->month, ended.jobs, ended.failed);
    co_await print_line(context, job.idempotency_key(), text);
}

Task<void> forget_old_orders(Context& context, Job<ForgetOldOrders> job) {
    const std::string what = "nights";
    co_await context.write(count_done, job.lease(), what);
}

// ---- the table of contents ----

void jobs(Handlers& handlers) {
    handlers.handle(send_invoice)
        .attempts(10)
        .timeout(seconds(30))
        .backoff(milliseconds(200), seconds(60))
        .version(2, add_language);
    handlers.handle(send_bill).queue("billing");
    handlers.handle(ask_for_review);

    // A mail provider takes so many a second from us, whichever organisation they are for; and
    // each organisation gets its share of that.
    handlers.handle(send_reminder)
        .tenant(&SendReminder::organisation)
        .limit({.name = "provider", .per_second = 100, .burst = 20}, &SendReminder::provider);

    // Somebody waits for it, and after a while nobody does any more.
    handlers.handle(send_code).priority(10).queue("codes").expires_after(seconds(1));

    handlers.handle(apply_payment)
        .in_order(&ApplyPayment::account)
        .backoff(milliseconds(100), milliseconds(100));

    // A partner allows us two connections.
    handlers.handle(sync_customer)
        .limit({.name = "partner", .running_max = 2}, &SyncCustomer::partner);

    handlers.handle(import_prices).timeout(std::chrono::minutes(10));

    handlers.handle(rebuild_catalog).unique(&RebuildCatalog::language);
    handlers.handle(send_digest).unique_for(std::chrono::hours(1), &SendDigest::customer);
    handlers.handle(scale_image).queue("images").bound(100);

    handlers.handle(sum_orders);
    handlers.handle(count_orders);
    handlers.handle(mail_report);
    handlers.handle(close_account);
    handlers.on_buried(ask_accountant);
    handlers.handle(month_is_closed);

    handlers.handle(forget_old_orders);
    handlers.recurring("nightly", "0 3 * * *", "Europe/Berlin", ForgetOldOrders{90});
}

}  // namespace shop
