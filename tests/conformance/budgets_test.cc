// A statement over its module's budget of rows, bytes or time is stopped in the database, with an
// error that names it; what comes after it works.
#include <gmock/gmock.h>

#include "tests/conformance/conformance.h"

namespace tests::conformance {

struct NumberedRow {
    std::int64_t number = 0;
    std::string words;
};
BOOST_DESCRIBE_STRUCT(NumberedRow, (), (number, words))

namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

// 34 bytes of text and 8 of number in a row on SQLite; PostgreSQL's numbers have 4 or 8.
constexpr std::uint64_t row_bytes_min = 38;
constexpr std::uint64_t row_bytes_max = 42;
constexpr std::int64_t first = 0;
constexpr std::int64_t very_many = 1'000'000'000;

class Budgets : public Conformance {
protected:
    std::uint64_t over(std::string_view kind) {
        return store()
            .registry()
            .counter("loadstone_store_over_budget_total",
                     loadstone::telemetry::metric_label("module", "loadstone") + "," +
                         loadstone::telemetry::metric_label("budget", kind),
                     "")
            .value();
    }
};

Task<std::size_t> gather(Context& context, std::int64_t rows) {
    Reader reader = context.reader();
    const auto all = co_await reader.many<NumberedRow>(sql::numbers_between, first, rows);
    co_return all.size();
}

Task<std::uint64_t> stream(Context& context, std::int64_t rows) {
    Reader reader = context.reader();
    auto ignore = [](const NumberedRow&) {};
    co_return co_await reader.each<NumberedRow>(sql::numbers_between, ignore, first, rows);
}

Task<void> gather_in_tx(Tx& tx, std::int64_t rows) {
    co_await insert_item(tx, "before it was too much", 1);
    co_await tx.many<NumberedRow>(sql::numbers_between, first, rows);
}
Task<void> write_gathering(Context& context, std::int64_t rows) {
    co_await context.write(gather_in_tx, rows);
}

constexpr loadstone::store::Command deferred_numbers{
    "test.deferred_numbers", sql::numbers_between.sqlite, sql::numbers_between.postgres, 2};

Task<std::size_t> defer_in_tx(Tx& tx, std::int64_t rows) {
    const auto all = std::make_shared<std::vector<NumberedRow>>();
    co_await tx.defer_many(all, deferred_numbers, first, rows);
    co_await insert_item(tx, "after " + std::to_string(rows), 1);
    co_return all->size();
}
Task<std::size_t> write_deferring(Context& context, std::int64_t rows) {
    co_return co_await context.write(defer_in_tx, rows);
}

Task<void> defer_alone_in_tx(Tx& tx, std::int64_t rows) {
    const auto all = std::make_shared<std::vector<NumberedRow>>();
    co_await tx.defer_many(all, deferred_numbers, first, rows);
}
Task<void> write_deferred_alone(Context& context, std::int64_t rows) {
    co_await context.write(defer_alone_in_tx, rows);
}

Task<void> defer_behind_in_tx(Tx& tx, std::int64_t rows, std::int64_t items) {
    co_await defer_alone_in_tx(tx, rows);
    co_await defer_alone_in_tx(tx, 1);
    for (std::int64_t i = 0; i < items; ++i) co_await insert_item(tx, "behind them", i);
}
Task<void> write_deferred_behind(Context& context, std::int64_t rows, std::int64_t items) {
    co_await context.write(defer_behind_in_tx, rows, items);
}

Task<void> long_in_tx(Tx& tx) {
    co_await insert_item(tx, "before it took long", 1);
    co_await tx.one<std::int64_t>(sql::takes_long, very_many * 1'000);
}
Task<void> write_long(Context& context) { co_await context.write(long_in_tx); }

Task<void> swallow_in_tx(Tx& tx) {
    co_await insert_item(tx, "kept", 1);
    try {
        co_await tx.many<NumberedRow>(sql::numbers_between, first, very_many);
    } catch (const Error&) {
    }
    co_await insert_item(tx, "after it", 1);
}
Task<void> write_swallowing(Context& context) { co_await context.write(swallow_in_tx); }

Task<std::size_t> gather_as(Context& context, std::string module, std::int64_t rows) {
    context.set_module(module);
    co_return co_await gather(context, rows);
}

template <class Call>
std::string failure_of(Errc expected, Call&& call) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), expected) << error.message();
        return error.message();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

}  // namespace

TEST_P(Budgets, RowsAreGatheredUpToTheBudgetAndNotOneMore) {
    options_.budget.rows_max = 1'000;
    EXPECT_EQ(store().run(gather, 999), 999U);
    EXPECT_EQ(store().run(gather, 1'000), 1'000U);
    EXPECT_EQ(over("rows"), 0U);
    const std::string message =
        failure_of(Errc::internal, [&] { store().run(gather, std::int64_t{1'001}); });
    EXPECT_THAT(message, AllOf(HasSubstr("numbers_between"), HasSubstr("1000 rows"),
                               HasSubstr("module loadstone")));
    EXPECT_EQ(over("rows"), 1U);
    EXPECT_EQ(store().run(stream, 5'000), 5'000U);  // streamed rows are as many as there are
}

TEST_P(Budgets, EachModuleHasItsOwn) {
    loadstone::store::StatementBudget small;
    small.rows_max = 100;
    auto& budgets = store().services().get<loadstone::store::StatementBudgets>();
    budgets.set("small", small);
    EXPECT_EQ(store().run(gather_as, std::string("small"), std::int64_t{100}), 100U);
    const std::string message = failure_of(
        Errc::internal, [&] { store().run(gather_as, std::string("small"), std::int64_t{101}); });
    EXPECT_THAT(message,
                HasSubstr("more than 100 rows, the row budget of a statement of module small"));
    EXPECT_EQ(store().run(gather_as, std::string("other"), std::int64_t{101}), 101U);
    EXPECT_EQ(over("rows"), 0U) << "counted for the module whose it is";
    small.rows_max = 1;
    EXPECT_EQ(code_of([&] { budgets.set("small", small); }), Errc::invalid_argument);
}

TEST_P(Budgets, BytesAreGatheredUpToTheBudget) {
    options_.budget.bytes_max = 100'000;
    const auto fit = static_cast<std::int64_t>(100'000 / row_bytes_max);
    EXPECT_EQ(store().run(gather, fit), static_cast<std::size_t>(fit));
    const auto too_many = static_cast<std::int64_t>(100'000 / row_bytes_min + 1);
    const std::string message = failure_of(Errc::internal, [&] { store().run(gather, too_many); });
    EXPECT_THAT(message, AllOf(HasSubstr("numbers_between"), HasSubstr("more than 100000"),
                               HasSubstr("byte budget")));
    EXPECT_EQ(over("bytes"), 1U);
}

TEST_P(Budgets, ResultWithoutEndIsStoppedInTheDatabase) {
    failure_of(Errc::internal, [&] { store().run(gather, very_many); });
    failure_of(Errc::internal, [&] { store().run(write_gathering, very_many); });
    EXPECT_EQ(over("rows"), 2U);
    EXPECT_EQ(store().run(item_count), 0);
    EXPECT_GT(store().run(add_item, std::string("after it"), std::int64_t{1}), 0);
}

TEST_P(Budgets, DeferredRowsAreGatheredToo) {
    options_.budget.rows_max = 1'000;
    EXPECT_EQ(store().run(write_deferring, std::int64_t{1'000}), 1'000U);
    EXPECT_EQ(over("rows"), 0U);
    for (const std::int64_t rows : {std::int64_t{1'001}, very_many}) {
        const std::string message =
            failure_of(Errc::internal, [&] { store().run(write_deferring, rows); });
        EXPECT_THAT(message, AllOf(HasSubstr("deferred_numbers"), HasSubstr("1000 rows")));
    }
    EXPECT_EQ(over("rows"), 2U);
    EXPECT_EQ(store().run(item_count), 1);
    // On PostgreSQL the commit is on its way by then.
    const std::string message = failure_of(is_sqlite() ? Errc::internal : Errc::unavailable, [&] {
        store().run(write_deferred_alone, std::int64_t{1'001});
    });
    EXPECT_THAT(message, HasSubstr("1000 rows"));
    EXPECT_EQ(over("rows"), 3U);
    EXPECT_GT(store().run(add_item, std::string("works"), std::int64_t{1}), 0);
}

// What stands behind rows that nobody takes is not waited for.
TEST_P(Budgets, DeferredRowsWithoutEndHoldUpNothing) {
    options_.budget.rows_max = 1'000;
    options_.budget.time_max = std::chrono::minutes(1);
    for (const std::int64_t items : {0, 1}) {
        const auto began = std::chrono::steady_clock::now();
        const bool commits = items == 0 && !is_sqlite();
        const std::string message = failure_of(commits ? Errc::unavailable : Errc::internal, [&] {
            store().run(write_deferred_behind, very_many, items);
        });
        EXPECT_THAT(message, HasSubstr("1000 rows"));
        EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
    }
    EXPECT_EQ(over("rows"), 2U);
    EXPECT_EQ(store().run(item_count), 0);
}

// SQLite takes the statement back alone; PostgreSQL can only end the transaction.
TEST_P(Budgets, BodyThatGoesOnCommitsAllOrNothing) {
    std::optional<Errc> failed = code_of([&] { store().run(write_swallowing); });
    if (!is_sqlite()) EXPECT_EQ(failed, Errc::internal);
    EXPECT_EQ(store().run(item_count), failed ? 0 : 2);
}

TEST_P(Budgets, TimeEndsAStream) {
    options_.budget.time_max = milliseconds(1'000);
    const std::string message =
        failure_of(Errc::deadline_exceeded, [&] { store().run(stream, very_many); });
    EXPECT_THAT(message, AllOf(HasSubstr("numbers_between"), HasSubstr("1000 ms"),
                               HasSubstr("time budget"), HasSubstr("module loadstone")));
    EXPECT_EQ(over("time"), 1U);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Budgets, TimeEndsATransactionThatLeavesNothing) {
    options_.budget.time_max = milliseconds(1'000);
    const std::string message =
        failure_of(Errc::deadline_exceeded, [&] { store().run(write_long); });
    EXPECT_THAT(message, HasSubstr("1000 ms, the time budget"));
    EXPECT_EQ(over("time"), 1U);
    EXPECT_EQ(store().run(item_count), 0);
    EXPECT_GT(store().run(add_item, std::string("after it"), std::int64_t{1}), 0);
}

LOADSTONE_ON_EVERY_BACKEND(Budgets);

}  // namespace tests::conformance
