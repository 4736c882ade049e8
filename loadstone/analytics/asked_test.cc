#include <gtest/gtest.h>

#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/number_list.h"
#include "loadstone/analytics/query.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {
namespace {

struct StepTag {};

struct Step {
    Timestamp at;
    Id<StepTag> course;
    std::string kind;
    std::optional<double> length;
    bool is_first = false;
};
BOOST_DESCRIBE_STRUCT(Step, (), (at, course, kind, length, is_first))

struct Other {
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Other, (), (number))

static_assert(has_members<Step>({"at", "course", "kind", "length", "is_first"}));
static_assert(!has_members<Step>({"at", "course", "kind", "length"}));
static_assert(!has_members<Step>({"course", "at", "kind", "length", "is_first"}));

constexpr AskedTable steps{"steps", "at:m course:i kind:t length:r? is_first:b"};
constexpr AskedTable by_course{
    "by_course", "course:i last:m ended_at:m? ends:i longest:r? all_of_it:i first_ended:i?"};

// What is wrong with what was asked of a module that declares a fact and a rollup of it.
std::string problem(std::vector<AskedTable> asked) {
    std::vector<FactTable> tables;
    Facts others("others", tables);
    others.table<Other>("others");
    Facts facts("walks", tables);
    facts.table<Step>("steps").rolled_up("by_course",
                                         Rollup({"course"})
                                             .max("last", "at")
                                             .max("ended_at", "at", {"kind", "end"})
                                             .count("ends", {"kind", "end"})
                                             .max("longest", "length")
                                             .sum("all_of_it", "course")
                                             .min("first_ended", "course", {"kind", "end"}));
    try {
        facts.asked(asked);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::invalid_argument);
        return error.message();
    }
    return "";
}

TEST(AskedTables, AreThoseThatTheModuleDeclares) {
    EXPECT_EQ(problem({steps, by_course}), "");
    EXPECT_EQ(problem({by_course, steps}), "");
}

TEST(AskedTables, WithOtherColumnsAreRefused) {
    const AskedTable another{"steps", "at:m course:i kind:t length:r is_first:b"};
    EXPECT_EQ(problem({another, by_course}),
              "sql/facts/tables.sql of module walks has steps with the columns \"at:m course:i "
              "kind:t length:r is_first:b\", which are declared as \"at:m course:i kind:t "
              "length:r? is_first:b\"");
}

TEST(AskedTables, ThatOnlyOneOfTheTwoHasAreRefused) {
    EXPECT_EQ(problem({steps}),
              "sql/facts/tables.sql of module walks has no by_course with the columns \"course:i "
              "last:m ended_at:m? ends:i longest:r? all_of_it:i first_ended:i?\"");
    const AskedTable others{"others", "number:i"};
    EXPECT_EQ(problem({steps, by_course, others}),
              "sql/facts/tables.sql of module walks has others with the columns \"number:i\", "
              "which are declared as \"\"");
    EXPECT_NE(problem({steps, by_course, steps}), "") << "twice";
}

TEST(NumberList, IsTextWithCommasAndColons) {
    NumberList none;
    EXPECT_EQ(none.text(), "");
    NumberList ids;
    ids.add(Id<StepTag>(3));
    ids.add(std::int64_t{-5});
    EXPECT_EQ(ids.text(), "3,-5");
    NumberList rows;
    rows.add(Id<StepTag>(3), Timestamp{10});
    rows.add(Id<StepTag>(5), Timestamp{-2});
    EXPECT_EQ(rows.text(), "3:10,5:-2");
}

}  // namespace
}  // namespace loadstone::analytics
