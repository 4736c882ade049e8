// Reader: one, maybe, many, each; it cannot write.
#include "tests/conformance/conformance.h"

namespace tests::conformance {

namespace {

class Reads : public Conformance {};

Task<void> add_items(Context& context, int count) {
    for (int i = 0; i < count; ++i) co_await add_item(context, "item " + std::to_string(i), i);
}
Task<Item> one_item(Context& context, std::string name) {
    Reader reader = context.reader();
    co_return co_await reader.one<Item>(sql::item_by_name, name);
}
Task<std::optional<Item>> maybe_item(Context& context, std::string name) {
    Reader reader = context.reader();
    co_return co_await reader.maybe<Item>(sql::item_by_name, name);
}
Task<std::vector<Item>> many_items(Context& context, std::int64_t limit) {
    Reader reader = context.reader();
    co_return co_await reader.many<Item>(sql::items_after, std::int64_t{0}, limit);
}
Task<std::int64_t> sum_by_each(Context& context) {
    Reader reader = context.reader();
    std::int64_t sum = 0;
    auto add = [&](const Item& item) { sum += item.quantity; };
    const auto rows =
        co_await reader.each<Item>(sql::items_after, add, std::int64_t{0}, std::int64_t{1000});
    co_return sum * 1000 + static_cast<std::int64_t>(rows);
}

// A write that says it is a query: what stands between is the connection.
constexpr loadstone::store::Query disguised_write{
    "test.disguised_write", "insert into items (name) values ('disguised') returning id",
    "insert into items (name) values ('disguised') returning id", 0};

Task<void> write_through_reader(Context& context) {
    Reader reader = context.reader();
    co_await reader.maybe<std::int64_t>(disguised_write);
}
Task<void> fail_at_once(Context& context) {
    Reader reader = context.reader();
    co_await reader.one<std::int64_t>(sql::fails_at_once, std::int64_t{1});
}
Task<std::int64_t> throw_in_the_sink(Context& context) {
    Reader reader = context.reader();
    std::int64_t calls = 0;
    auto third_throws = [&](const Item&) {
        if (++calls == 3) throw std::runtime_error("enough");
    };
    try {
        co_await reader.each<Item>(sql::items_after, third_throws, std::int64_t{0},
                                   std::int64_t{100});
    } catch (const std::runtime_error&) {
        co_return calls;
    }
    co_return -1;
}

}  // namespace

TEST_P(Reads, OneGivesTheRowOrNotFound) {
    store().run(add_items, 3);
    const Item item = store().run(one_item, std::string("item 2"));
    EXPECT_EQ(item.name, "item 2");
    EXPECT_EQ(item.quantity, 2);
    EXPECT_EQ(code_of([&] { store().run(one_item, std::string("nothing")); }), Errc::not_found);
}

TEST_P(Reads, MaybeGivesTheRowOrNothing) {
    store().run(add_items, 2);
    EXPECT_TRUE(store().run(maybe_item, std::string("item 1")));
    EXPECT_FALSE(store().run(maybe_item, std::string("item 2")));
}

TEST_P(Reads, ManyGivesTheRowsInOrder) {
    store().run(add_items, 5);
    const auto items = store().run(many_items, std::int64_t{3});
    ASSERT_EQ(items.size(), 3U);
    EXPECT_EQ(items[0].name, "item 0");
    EXPECT_EQ(items[2].name, "item 2");
}

TEST_P(Reads, EachGivesEveryRowOnceAndCountsThem) {
    store().run(add_items, 10);
    EXPECT_EQ(store().run(sum_by_each), 45'010);
}

TEST_P(Reads, AReaderCannotWriteWhateverTheStatementSays) {
    EXPECT_TRUE(code_of([&] { store().run(write_through_reader); }));
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Reads, AFailedStatementHarmsNoOther) {
    store().run(add_items, 1);
    std::vector<std::future<void>> failing;
    std::vector<std::future<Item>> sound;
    for (int i = 0; i < 50; ++i) {
        failing.push_back(store().start(Deadline::in(std::chrono::seconds(20)), fail_at_once));
        sound.push_back(
            store().start(Deadline::in(std::chrono::seconds(20)), one_item, std::string("item 0")));
    }
    for (auto& read : sound) EXPECT_EQ(read.get().name, "item 0");
    for (auto& read : failing) EXPECT_TRUE(code_of([&] { read.get(); }));
}

TEST_P(Reads, WhatTheSinkThrowsEndsTheStatementAndReachesTheCaller) {
    store().run(add_items, 5);
    EXPECT_EQ(store().run(throw_in_the_sink), 3);
    EXPECT_EQ(store().run(item_count), 5);
}

TEST_P(Reads, ManyAtOnceAreAllAnswered) {
    store().run(add_items, 20);
    std::vector<std::future<Item>> reads;
    for (int i = 0; i < 2'000; ++i) {
        reads.push_back(store().start(Deadline::in(std::chrono::seconds(20)), one_item,
                                      "item " + std::to_string(i % 20)));
    }
    for (int i = 0; i < 2'000; ++i)
        EXPECT_EQ(reads[static_cast<std::size_t>(i)].get().quantity, i % 20);
}

LOADSTONE_ON_EVERY_BACKEND(Reads);

}  // namespace tests::conformance
