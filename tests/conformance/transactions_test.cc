// Tx: all or nothing, own writes seen, nothing lost between concurrent ones.
#include <mutex>

#include "tests/conformance/conformance.h"

namespace tests::conformance {

namespace {

class Transactions : public Conformance {};

struct Refused {};

Task<void> insert_and_throw(Tx& tx) {
    co_await insert_item(tx, "kept", 1);
    throw Refused{};
}
Task<void> write_and_throw(Context& context) { co_await context.write(insert_and_throw); }

Task<std::int64_t> insert_and_count(Tx& tx) {
    co_await insert_item(tx, "own", 7);
    const auto seen = co_await tx.one<Item>(sql::item_by_name, "own");
    const auto changed = co_await tx.exec(sql::add_quantity, "own", std::int64_t{1});
    const auto unchanged = co_await tx.exec(sql::add_quantity, "nobody", std::int64_t{1});
    const auto after = co_await tx.one<Item>(sql::item_by_name, "own");
    co_return seen.quantity * 1'000 + after.quantity * 100 +
        static_cast<std::int64_t>(changed * 10 + unchanged);
}
Task<std::int64_t> write_and_count(Context& context) {
    co_return co_await context.write(insert_and_count);
}

Task<void> insert_orphan(Tx& tx) {
    co_await tx.one<std::int64_t>(sql::insert_part, std::int64_t{4711});
}
Task<void> write_orphan(Context& context) { co_await context.write(insert_orphan); }

// Read, then write what follows from it: the pattern that loses updates where two may do it at
// once.
Task<void> increment_by_hand(Tx& tx) {
    const auto value = co_await tx.one<std::int64_t>(sql::quantity_of, "counter");
    co_await tx.exec(sql::set_quantity, "counter", value + 1);
}
Task<void> increment(Context& context) { co_await context.write(increment_by_hand); }

Task<void> nothing(Tx& /*tx*/) { co_return; }
Task<void> write_nothing(Context& context) { co_await context.write(nothing); }

// A statement fails, the body goes on as if it had not.
Task<void> swallow_failure(Tx& tx) {
    co_await insert_item(tx, "first", 1);
    try {
        co_await insert_item(tx, "taken", 1);
    } catch (const Error&) {
        co_return;
    }
}
Task<void> write_swallowed(Context& context) { co_await context.write(swallow_failure); }

// Actions run on any thread.
class Order {
public:
    void add(int number) {
        const std::scoped_lock lock(mutex_);
        numbers_.push_back(number);
    }
    std::vector<int> numbers() const {
        const std::scoped_lock lock(mutex_);
        return numbers_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<int> numbers_;
};

Task<void> with_actions(Tx& tx, Order* order, bool fails) {
    tx.after_commit([order] { order->add(1); });
    co_await insert_item(tx, "with actions", 1);
    tx.after_commit([order] { order->add(2); });
    if (fails) throw Refused{};
}
Task<void> write_with_actions(Context& context, Order* order, bool fails) {
    co_await context.write(with_actions, order, fails);
}

Task<std::int64_t> count_rows_in_tx(Tx& tx) {
    std::int64_t rows = 0;
    auto count = [&](const std::int64_t&) { ++rows; };
    co_await tx.each<std::int64_t>(sql::item_count, count);
    co_return rows;
}
Task<std::int64_t> stream_in_tx(Context& context) {
    co_return co_await context.write(count_rows_in_tx);
}

// And a statement behind them that sees them all.
Task<std::int64_t> defer_many(Tx& tx, int count) {
    for (int i = 0; i < count; ++i) {
        // Gone before it is sent.
        const std::string name = std::to_string(count) + "/" + std::to_string(i);
        co_await tx.defer(sql::add_item, name, std::int64_t{i});
    }
    co_return co_await tx.one<std::int64_t>(sql::item_count);
}
Task<std::int64_t> write_deferred(Context& context, int count) {
    co_return co_await context.write(defer_many, count);
}

Task<void> defer_in_order(Tx& tx) {
    co_await insert_item(tx, "ordered", 2);
    co_await tx.defer(sql::set_quantity, "ordered", std::int64_t{10});
    co_await tx.defer(sql::add_quantity, "ordered", std::int64_t{5});
}
Task<void> write_in_order(Context& context) { co_await context.write(defer_in_order); }

Task<void> defer_one(Tx& tx, std::string name) {
    co_await tx.defer(sql::add_item, name, std::int64_t{1});
}
Task<void> write_one(Context& context, std::string name) {
    co_await context.write(defer_one, name);
}

Task<void> defer_and_throw(Tx& tx) {
    co_await defer_one(tx, "thrown away");
    throw Refused{};
}
Task<void> write_deferred_and_throw(Context& context) { co_await context.write(defer_and_throw); }

Task<void> defer_among(Tx& tx, std::string name, bool reads_after) {
    co_await insert_item(tx, "before", 1);
    co_await tx.defer(sql::add_item, name, std::int64_t{1});
    co_await tx.defer(sql::add_item, "after", std::int64_t{1});
    if (reads_after) co_await tx.one<std::int64_t>(sql::item_count);
}
Task<void> write_among(Context& context, std::string name, bool reads_after) {
    co_await context.write(defer_among, name, reads_after);
}

constexpr loadstone::store::Command make_index{
    "test.make_index", "create index items_by_quantity on items (quantity)",
    "create index items_by_quantity on items (quantity)", 0};

Task<std::int64_t> add_twice(Tx& tx, bool makes_index) {
    if (makes_index) co_await tx.exec(make_index);
    const auto changed = co_await tx.exec(sql::add_quantity, "counted", std::int64_t{1});
    co_return static_cast<std::int64_t>(changed);
}
Task<std::int64_t> write_twice(Context& context, bool makes_index) {
    co_return co_await context.write(add_twice, makes_index);
}

}  // namespace

TEST_P(Transactions, CountAffectedRowsAlsoOfAStatementThatIsPreparedAgain) {
    store().run(add_item, std::string("counted"), std::int64_t{1});
    for (const bool makes_index : {false, true, false})
        EXPECT_EQ(store().run(write_twice, makes_index), 1);
}

TEST_P(Transactions, WhatIsDeferredIsThereForTheNextStatement) {
    EXPECT_EQ(store().run(write_deferred, 1), 1);
    EXPECT_EQ(store().run(item_count), 1);
}

TEST_P(Transactions, MoreIsDeferredThanGoesInOneRoundTrip) {
    std::int64_t all = 0;
    for (const int count : {15, 16, 17, 100}) {
        all += count;
        EXPECT_EQ(store().run(write_deferred, count), all);
    }
    EXPECT_EQ(store().run(item_count), all);
}

TEST_P(Transactions, WhatIsDeferredRunsInItsOrder) {
    store().run(write_in_order);
    EXPECT_EQ(store().run(quantity_of, std::string("ordered")), 15);
}

TEST_P(Transactions, WhatIsDeferredAloneIsCommitted) {
    store().run(write_one, std::string("alone"));
    EXPECT_EQ(store().run(quantity_of, std::string("alone")), 1);
}

TEST_P(Transactions, WhatIsDeferredAloneFailsAsAnyOther) {
    store().run(write_one, std::string("taken"));
    EXPECT_EQ(code_of([&] { store().run(write_one, std::string("taken")); }), Errc::already_exists);
    EXPECT_EQ(code_of([&] { store().run(write_one, std::string("a\0b", 3)); }),
              Errc::invalid_argument);
    store().run(write_one, std::string("another"));
    EXPECT_EQ(store().run(item_count), 2);
}

TEST_P(Transactions, WhatIsDeferredGoesWithItsTransaction) {
    EXPECT_THROW(store().run(write_deferred_and_throw), Refused);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Transactions, AFailureOfWhatIsDeferredFailsItsTransaction) {
    store().run(add_item, std::string("taken"), std::int64_t{1});
    for (const bool reads_after : {true, false}) {
        EXPECT_EQ(code_of([&] { store().run(write_among, std::string("taken"), reads_after); }),
                  Errc::already_exists);
        EXPECT_EQ(store().run(item_count), 1);
    }
    store().run(write_among, std::string("free"), true);
    EXPECT_EQ(store().run(item_count), 4);
}

TEST_P(Transactions, WhatIsThrownRollsBackAndReachesTheCaller) {
    EXPECT_THROW(store().run(write_and_throw), Refused);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Transactions, SeeTheirOwnWrites) {
    EXPECT_EQ(store().run(write_and_count), 7'000 + 800 + 10);
    EXPECT_EQ(store().run(item_count), 1);
}

TEST_P(Transactions, ATakenKeyIsAlreadyExists) {
    store().run(add_item, std::string("only one"), std::int64_t{1});
    EXPECT_EQ(code_of([&] { store().run(add_item, std::string("only one"), std::int64_t{2}); }),
              Errc::already_exists);
    EXPECT_EQ(store().run(quantity_of, std::string("only one")), 1);
}

TEST_P(Transactions, AMissingReferenceIsConflict) {
    EXPECT_EQ(code_of([&] { store().run(write_orphan); }), Errc::conflict);
}

TEST_P(Transactions, AFailedCheckIsConflict) {
    EXPECT_EQ(
        code_of([&] { store().run(add_item, std::string("less than none"), std::int64_t{-1}); }),
        Errc::conflict);
}

TEST_P(Transactions, WithoutStatementsAreFine) { EXPECT_NO_THROW(store().run(write_nothing)); }

TEST_P(Transactions, ConcurrentIncrementsLoseNothing) {
    store().run(add_item, std::string("counter"), std::int64_t{0});
    constexpr int increments = 400;
    std::vector<std::future<void>> running;
    for (int i = 0; i < increments; ++i) {
        running.push_back(store().start(Deadline::in(std::chrono::seconds(60)), increment));
    }
    for (auto& one : running) one.get();
    EXPECT_EQ(store().run(quantity_of, std::string("counter")), increments);
}

TEST_P(Transactions, ABodyThatSwallowsAFailureCommitsNothingHalf) {
    store().run(add_item, std::string("taken"), std::int64_t{1});
    const auto code = code_of([&] { store().run(write_swallowed); });
    const std::int64_t items = store().run(item_count);
    if (code) {
        EXPECT_EQ(code, Errc::already_exists);
        EXPECT_EQ(items, 1);
    } else {
        EXPECT_EQ(items, 2);
    }
}

TEST_P(Transactions, ActionsRunAfterTheCommitInOrder) {
    Order order;
    store().run(write_with_actions, &order, false);
    EXPECT_TRUE(wait_until([&] { return order.numbers().size() == 2; }));
    EXPECT_EQ(order.numbers(), (std::vector<int>{1, 2}));
}

TEST_P(Transactions, ActionsAreDroppedOnRollback) {
    Order order;
    EXPECT_THROW(store().run(write_with_actions, &order, true), Refused);
    EXPECT_TRUE(order.numbers().empty());
}

TEST_P(Transactions, StreamRows) { EXPECT_EQ(store().run(stream_in_tx), 1); }

TEST_P(Transactions, ManyAtOnceAreAllCommitted) {
    std::vector<std::future<std::int64_t>> running;
    for (int i = 0; i < 500; ++i) {
        running.push_back(store().start(Deadline::in(std::chrono::seconds(60)), add_item,
                                        "item " + std::to_string(i), std::int64_t{i}));
    }
    for (auto& one : running) EXPECT_GT(one.get(), 0);
    EXPECT_EQ(store().run(item_count), 500);
}

LOADSTONE_ON_EVERY_BACKEND(Transactions);

}  // namespace tests::conformance
