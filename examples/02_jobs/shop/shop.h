#pragma once
// What the shop's files share: its orders, and its job kinds. A kind is a struct: what stands in
// the database until the job has run.

#include <cstdint>
#include <string>

#include "loadstone/module/module.h"

namespace shop {

using loadstone::Handlers;
using loadstone::Module;
using loadstone::Routes;
using loadstone::Task;
using loadstone::Tx;

struct Order {
    std::string organisation, customer, item;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(Order, (), (organisation, customer, item, cents))

// ---- jobs ----

struct SendInvoice {
    std::int64_t order = 0;
    std::string language;  // since version 2
};
BOOST_DESCRIBE_STRUCT(SendInvoice, (), (order, language))

struct AskForReview {
    std::int64_t order = 0;
};
BOOST_DESCRIBE_STRUCT(AskForReview, (), (order))

struct SendReminder {
    std::string organisation, provider;
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(SendReminder, (), (organisation, provider, number))

struct SendCode {
    std::string customer;
};
BOOST_DESCRIBE_STRUCT(SendCode, (), (customer))

struct ApplyPayment {
    std::string account;
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(ApplyPayment, (), (account, number))

struct SyncCustomer {
    std::string partner, customer;
};
BOOST_DESCRIBE_STRUCT(SyncCustomer, (), (partner, customer))

struct ImportPrices {
    std::string list;
    std::int64_t rows = 0;
};
BOOST_DESCRIBE_STRUCT(ImportPrices, (), (list, rows))

struct RebuildCatalog {
    std::string language;
};
BOOST_DESCRIBE_STRUCT(RebuildCatalog, (), (language))

struct SendDigest {
    std::string customer;
};
BOOST_DESCRIBE_STRUCT(SendDigest, (), (customer))

struct ScaleImage {
    std::int64_t image = 0;
};
BOOST_DESCRIBE_STRUCT(ScaleImage, (), (image))

// A report of three steps.
struct SumOrders {
    std::string organisation;
};
BOOST_DESCRIBE_STRUCT(SumOrders, (), (organisation))

struct CountOrders {
    std::string organisation;
};
BOOST_DESCRIBE_STRUCT(CountOrders, (), (organisation))

struct MailReport {
    std::string organisation;
};
BOOST_DESCRIBE_STRUCT(MailReport, (), (organisation))

// A batch, and what runs when all of it has ended.
struct CloseAccount {
    std::int64_t account = 0;
};
BOOST_DESCRIBE_STRUCT(CloseAccount, (), (account))

struct MonthIsClosed {
    std::string month;
};
BOOST_DESCRIBE_STRUCT(MonthIsClosed, (), (month))

struct ForgetOldOrders {
    std::int64_t days = 0;
};
BOOST_DESCRIBE_STRUCT(ForgetOldOrders, (), (days))

}  // namespace shop

// Invoices were once a module of its own, and jobs of it may still wait.
namespace billing {

struct SendBill {
    std::int64_t order = 0;
};
BOOST_DESCRIBE_STRUCT(SendBill, (), (order))

}  // namespace billing

namespace shop {

// ---- commands: each is one transaction (orders.cc) ----

Task<std::int64_t> place_order(Tx& tx, Order order);
Task<std::int64_t> remind_all(Tx& tx, std::string organisation, std::int64_t count);
Task<std::int64_t> take_payments(Tx& tx, std::string account, std::int64_t count);
Task<std::int64_t> start_report(Tx& tx, std::string organisation);
Task<std::int64_t> close_month(Tx& tx, std::int64_t accounts);
// One job of any kind.
template <class Arguments>
Task<std::int64_t> enqueue_one(Tx& tx, Arguments arguments) {
    co_return co_await loadstone::jobs::enqueue(tx, arguments);
}

// ---- the module ----

void routes(Routes& routes);
void jobs(Handlers& handlers);
Module module();

}  // namespace shop
