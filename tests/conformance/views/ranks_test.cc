// Ranked sums on every database: top() gives what would be counted, in each snapshot, whatever
// happens.

#include "tests/conformance/views/ranks.h"

#include "loadstone/store/inspection.h"
#include "loadstone/store/statement_statistics.h"
#include "tests/conformance/views/storm.h"

namespace tests::conformance::views {

namespace {

class RanksTest : public Views {};
LOADSTONE_ON_EVERY_BACKEND(RanksTest);

// What an operator might do.
Task<void> plant_in(Tx& tx, std::int64_t key, std::int64_t group, std::int64_t value) {
    static constexpr std::string_view text =
        "insert into loadstone_ranks (aggregate, key, of_group, value) "
        "values ('views.points_ranked', $1, $2, $3) "
        "on conflict (aggregate, key) do update set value = loadstone_ranks.value + "
        "excluded.value, of_group = excluded.of_group";
    static constexpr std::string_view sqlite_text =
        "insert into loadstone_ranks (aggregate, key, of_group, value) "
        "values ('views.points_ranked', ?1, ?2, ?3) "
        "on conflict (aggregate, key) do update set value = loadstone_ranks.value + "
        "excluded.value, of_group = excluded.of_group";
    static constexpr loadstone::store::Command plant{"views.plant_rank", sqlite_text, text, 3};
    co_await tx.exec(plant, key, group, value);
}
Task<void> plant(Context& context, std::int64_t key, std::int64_t group, std::int64_t value) {
    co_await context.write(plant_in, key, group, value);
}

// Of 20,000 keys, in groups of 2,000.
Task<void> plant_many_in(Tx& tx) {
    static constexpr loadstone::store::Command plant{
        "views.plant_many",
        "with recursive keys (key) as (select 1 union all select key + 1 from keys where key < "
        "20000) insert into loadstone_ranks (aggregate, key, of_group, value) "
        "select 'views.points_ranked', key, key % 10, key % 1000 from keys",
        "insert into loadstone_ranks (aggregate, key, of_group, value) "
        "select 'views.points_ranked', key, key % 10, key % 1000 from generate_series(1, 20000) "
        "as keys (key)",
        0};
    co_await tx.exec(plant);
    // As PostgreSQL does by itself within a minute: until then it may sort them.
    static constexpr loadstone::store::Command analyze{"views.analyze", "analyze loadstone_ranks",
                                                       "analyze loadstone_ranks", 0};
    co_await tx.exec(analyze);
}
Task<void> plant_many(Context& context) { co_await context.write(plant_many_in); }

}  // namespace

TEST_P(RanksTest, AreInTheOrderOfWhatWasWritten) {
    Node node(options_);
    EXPECT_EQ(node.run(build_ranks), 1);
    EXPECT_EQ(node.run(kept_top, 0, 3), Places{});
    for (const std::int64_t course : {1, 2, 3, 4}) node.run(found_course, course, course % 2 + 1);
    node.run(award, 1, 1, 10);
    node.run(award, 2, 1, 30);
    node.run(award, 3, 1, 10);
    node.run(award, 4, 1, -5);
    EXPECT_EQ(node.run(kept_top, 0, 2), (Places{{2, 30}, {1, 10}}));  // equal ones by key
    EXPECT_EQ(node.run(kept_top, 0, 9), (Places{{2, 30}, {1, 10}, {3, 10}}));
    EXPECT_EQ(node.run(kept_top, 1, 9), (Places{{2, 30}}));
    EXPECT_EQ(node.run(kept_top, 2, 9), (Places{{1, 10}, {3, 10}}));
    EXPECT_EQ(node.run(kept_top, 3, 9), Places{});
    node.run(fold, &node);
    node.run(revoke, 2, 1);  // falls out of it, and another comes in
    node.run(award, 3, 2, 1);
    EXPECT_EQ(node.run(kept_top, 0, 2), (Places{{3, 11}, {1, 10}}));
    EXPECT_EQ(node.run(kept_top, 1, 2), Places{});
    node.run(move_course, 3, 1);
    EXPECT_EQ(node.run(kept_top, 1, 2), (Places{{3, 11}}));
    EXPECT_EQ(node.run(kept_top, 2, 2), (Places{{1, 10}}));
    node.run(fold, &node);
    EXPECT_EQ(node.run(kept_top, 0, 2), (Places{{3, 11}, {1, 10}}));
    EXPECT_EQ(node.run(wrong_tops, 3), 0);
    EXPECT_EQ(node.run(rank_differences, false), 0);
}

TEST_P(RanksTest, AreRolledBackWithWhatTheyAreOf) {
    Node node(options_);
    node.run(build_ranks);
    node.run(found_course, 1, 1);
    node.run(award, 1, 1, 10);
    EXPECT_EQ(code_of([&] { node.run(award_and_fail, 1, 1); }), Errc::invalid_argument);
    EXPECT_EQ(code_of([&] { node.run(award_and_fail, 1, 2); }), Errc::invalid_argument);
    EXPECT_EQ(node.run(kept_top, 0, 9), (Places{{1, 10}}));
}

TEST_P(RanksTest, AreRecomputedUntilTheyAreBuilt) {
    Node node(options_);
    node.run(found_courses, 1'100);  // more than are recomputed at once
    for (const std::int64_t course : {3, 7, 1'099, 1'100}) node.run(add_point, course, 1);
    node.run(award, 7, 2, 5);
    const auto check = [&] {
        EXPECT_EQ(node.run(kept_top, 0, 3), (Places{{7, 6}, {3, 1}, {1'099, 1}}));
        EXPECT_EQ(node.run(kept_top, 1, 2), (Places{{7, 6}, {3, 1}}));
        EXPECT_EQ(node.run(wrong_tops, 1), 0);
    };
    check();
    EXPECT_EQ(node.run(build_ranks), 1);
    EXPECT_EQ(node.run(build_ranks), 0);
    check();
    node.run(fold, &node);
    check();
}

TEST_P(RanksTest, AreFoundWrongAndMended) {
    Node node(options_);
    node.run(build_ranks);
    for (std::int64_t course = 1; course <= 10; ++course) {
        node.run(found_course, course, 1);
        node.run(award, course, 1, course);
        if (course == 5) node.run(fold, &node);
    }
    EXPECT_EQ(node.run(rank_differences, false), 0);
    node.run(plant, 3, 1, 50);
    node.run(plant, 9, 2, 0);    // in another group
    node.run(plant, 99, 1, 70);  // without rows
    EXPECT_EQ(node.run(rank_differences, false), 3);
    EXPECT_EQ(node.run(rank_differences, false), 3);  // it only looked
    EXPECT_GT(node.run(wrong_tops, 2), 0);
    EXPECT_EQ(node.run(rank_differences, true), 3);
    EXPECT_EQ(node.run(rank_differences, false), 0);
    EXPECT_EQ(node.run(wrong_tops, 2), 0);
    EXPECT_EQ(node.run(kept_top, 1, 2), (Places{{10, 10}, {9, 9}}));
}

TEST_P(RanksTest, ReadAsManyEntriesAsTheyGive) {
    Node node(options_);
    node.run(build_ranks);
    node.run(plant_many);
    for (const std::int64_t course : {1, 2, 3, 999}) {
        node.run(found_course, course, course % 10);
        node.run(award, course, 1, 5);
    }
    EXPECT_EQ(node.run(kept_top, 0, 2), (Places{{999, 1'004}, {1'999, 999}}));
    EXPECT_EQ(node.run(kept_top, 9, 2), (Places{{999, 1'004}, {1'999, 999}}));
    const auto inspection = loadstone::store::open_inspection(options_);
    int seen = 0;
    for (const auto& text : node.store().database().statistics()->texts()) {
        if (!text.name.starts_with("cache.top_ranks")) continue;
        ++seen;
        const bool is_of_group = text.name == "cache.top_ranks_of_group";
        std::vector<std::string> values{"views.points_ranked", "9", "20"};
        if (!is_of_group) values.erase(values.begin() + 1);
        const auto plan = inspection->explain(text, values, true);
        EXPECT_EQ(plan.rows, 20U) << text.name;
        EXPECT_LE(plan.scanned, 60U) << text.name << "\n" << loadstone::store::shape_of(plan);
    }
    EXPECT_EQ(seen, 2);
}

// In one snapshot after another what is kept is compared with what is counted, while two nodes
// write, move courses, fail, roll back and fold; then some are made wrong by hand, and two mend at
// once.
TEST_P(RanksTest, AreAlwaysWhatWouldBeCounted) {
    constexpr std::int64_t courses = 8, users = 4, faculties = 3;
    Node one(options_), other(options_);
    one.run(build_ranks);
    for (std::int64_t course = 0; course < courses; ++course)
        one.run(found_course, course, course % faculties + 1);
    const auto write = [](loadstone::Random& random, Node& node) {
        const auto course = number_below(random, courses), user = number_below(random, users);
        const auto points = number_below(random, 12) - 3;
        const auto what = number_below(random, 20);
        if (what < 11) {
            node.run(award, course, user, points);
        } else if (what < 16) {
            node.run(revoke, course, user);
        } else if (what < 18) {
            node.run(move_course, course, number_below(random, faculties) + 1);
        } else {
            node.run(award_and_fail, course, user);
        }
    };
    std::atomic<std::int64_t> different{0}, wrong{0};
    const auto compare = [&](Node& node) {
        wrong += node.run(wrong_tops, faculties);
        node.run(fold, &node);
        different += node.run(rank_differences, false);
    };
    const auto mend = [](Node& node) {
        node.run(fold, &node);
        node.run(rank_differences, true);
    };
    Storm storm(one, other, GetParam());
    SCOPED_TRACE(storm.seed());
    storm.rage(write, compare);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(different, 0);
    storm.expect_no_failure();
    storm.expect_some();
    for (const std::int64_t course : {2, 3}) one.run(plant, course, 1, 1'000);
    storm.rage(write, mend);
    storm.expect_no_failure();
    EXPECT_EQ(one.run(rank_differences, true), 0) << "what two mended at once";
    EXPECT_EQ(other.run(wrong_tops, faculties), 0);
    if (GetParam() != Backend::sqlite) EXPECT_GT(folded(one) + folded(other), 0U);
}

}  // namespace tests::conformance::views
