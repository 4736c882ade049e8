// Keyset pages: every row once, in order, over ties and while others insert.
#include <gmock/gmock.h>

#include <algorithm>

#include "loadstone/store/typed.h"
#include "tests/conformance/typed/typed.h"

namespace tests::conformance::typed {
namespace {

class Pages : public TypedConformance {};

// Seven of each rank in 0..4, so that every page ends within a tie.
Rows ties() {
    Rows rows;
    for (int i = 0; i < 35; ++i) {
        sql::AddNotesNotes& row = rows.emplace_back();
        row.topic = "ties";
        row.rank = i % 5;
        row.is_done = i % 3 == 0;
    }
    return rows;
}

Task<sql::ByRankPage> by_rank(Context& context, std::int64_t limit,
                              std::optional<sql::ByRankCursor> after) {
    co_return co_await sql::by_rank(context.reader(), "ties", limit, after);
}
Task<sql::NewestPage> newest(Context& context, std::int64_t limit,
                             std::optional<sql::NewestCursor> after) {
    co_return co_await sql::newest(context.reader(), "ties", limit, after);
}
Task<sql::ByThreePage> by_three(Context& context, std::int64_t limit,
                                std::optional<sql::ByThreeCursor> after) {
    co_return co_await sql::by_three(context.reader(), limit, after);
}

// All rows, page by page; `between` is called after each page but the last.
template <class Row, class Cursor, class Read, class Between>
std::vector<Row> read_all(Read read, Between between) {
    std::vector<Row> all;
    std::optional<Cursor> after;
    do {
        auto page = read(after);
        all.insert(all.end(), page.rows.begin(), page.rows.end());
        after = page.next;
        if (after) between();
    } while (after);
    return all;
}

constexpr auto nothing = [] {};

}  // namespace

TEST_P(Pages, OfMixedDirectionsGiveEachRowOnceInOrder) {
    store().run(add_notes, ties());
    for (const std::int64_t limit : {1, 2, 3, 34, 35, 36}) {
        auto read = [&](auto after) { return store().run(by_rank, limit, after); };
        const auto rows = read_all<sql::ByRankRow, sql::ByRankCursor>(read, nothing);
        EXPECT_EQ(rows.size(), 35U) << limit;
        EXPECT_TRUE(std::ranges::is_sorted(rows, [](const auto& a, const auto& b) {
            return a.rank != b.rank ? a.rank > b.rank : a.id < b.id;
        })) << limit;
        EXPECT_EQ(std::ranges::adjacent_find(rows), rows.end()) << limit;
    }
}

TEST_P(Pages, OfOneDirectionGiveEachRowOnceInOrder) {
    store().run(add_notes, ties());
    auto read = [&](auto after) { return store().run(newest, 4, after); };
    const auto rows = read_all<sql::NewestRow, sql::NewestCursor>(read, nothing);
    EXPECT_EQ(rows.size(), 35U);
    EXPECT_TRUE(std::ranges::is_sorted(rows, [](const auto& a, const auto& b) {
        return a.rank != b.rank ? a.rank > b.rank : a.id > b.id;
    }));
}

TEST_P(Pages, OfThreeKeysGiveEachRowOnceInOrder) {
    store().run(add_notes, ties());
    auto read = [&](auto after) { return store().run(by_three, 3, after); };
    const auto rows = read_all<sql::Note, sql::ByThreeCursor>(read, nothing);
    EXPECT_EQ(rows.size(), 35U);
    EXPECT_TRUE(std::ranges::is_sorted(rows, [](const auto& a, const auto& b) {
        if (a.is_done != b.is_done) return b.is_done;
        return a.rank != b.rank ? a.rank > b.rank : a.id < b.id;
    }));
}

TEST_P(Pages, GiveEachRowOnceWhileOthersInsert) {
    store().run(add_notes, ties());
    int round = 0;
    auto read = [&](auto after) { return store().run(by_rank, 5, after); };
    // One more of the highest rank, which lies before every page that is still to come once its
    // rank is passed, and one of the lowest, which lies behind.
    auto between = [&] {
        if (++round > 4) return;
        sql::AddNotesNotes high, low;
        high.topic = low.topic = "ties";
        high.rank = 9;
        store().run(add_notes, Rows{high, low});
    };
    const auto rows = read_all<sql::ByRankRow, sql::ByRankCursor>(read, between);
    EXPECT_EQ(rows.size(), 39U) << "the 35, and the four that came behind";
    std::vector<std::int64_t> seen;
    for (const auto& row : rows) seen.push_back(row.id.value);
    std::ranges::sort(seen);
    EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end());
    for (std::int64_t id = 1; id <= 35; ++id)
        EXPECT_TRUE(std::ranges::binary_search(seen, id)) << id;
}

TEST_P(Pages, EndWithoutACursor) {
    store().run(add_notes, ties());
    EXPECT_FALSE(store().run(by_rank, 35, std::optional<sql::ByRankCursor>()).next);
    EXPECT_TRUE(store().run(by_rank, 34, std::optional<sql::ByRankCursor>()).next);
    const auto beyond = store().run(by_rank, 5, std::optional(sql::ByRankCursor{-1, {}}));
    EXPECT_TRUE(beyond.rows.empty());
    EXPECT_FALSE(beyond.next);
}

TEST_P(Pages, HaveALimit) {
    const std::optional<sql::ByRankCursor> start;
    constexpr auto rows_max = loadstone::store::page_limit_max + 1;
    for (const std::int64_t limit : {std::int64_t{-1}, std::int64_t{0}, rows_max})
        EXPECT_EQ(code_of([&] { store().run(by_rank, limit, start); }), Errc::invalid_argument);
    EXPECT_TRUE(store().run(by_rank, rows_max - 1, start).rows.empty());
}

LOADSTONE_ON_EVERY_BACKEND(Pages);

}  // namespace tests::conformance::typed
