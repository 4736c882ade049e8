#include "loadstone/analytics/rollup.h"

#include <gtest/gtest.h>

#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/internal/rollup_sql.h"
#include "loadstone/base/timestamp.h"

namespace loadstone::analytics {
namespace {

struct Step {
    Timestamp at;
    std::int64_t course = 0;
    std::string kind;
    std::optional<double> length;
    bool is_first = false;
};
BOOST_DESCRIBE_STRUCT(Step, (), (at, course, kind, length, is_first))

std::optional<Errc> refusal(const std::string& name, const Rollup& rollup) {
    try {
        rollup.require_valid(name, schema_of("steps", type_info<Step>()));
    } catch (const Error& error) {
        return error.code();
    }
    return std::nullopt;
}

TEST(RollupOf, IsReadBackAsItWasWritten) {
    const Rollup rollup = Rollup({"course", "kind"})
                              .max("last", "at")
                              .count("ends", {"kind", "course_completed"})
                              .sum("all", "course", facts_without("kind", "left"))
                              .min("least", "length", {"kind", "a/b-c.d"});
    EXPECT_EQ(to_text(rollup),
              "course,kind last=g:at:: ends=c::kind:course_completed all=s:course:kind:!left "
              "least=l:length:kind:a/b-c.d");
    EXPECT_EQ(rollup_from(to_text(rollup)), rollup);
    for (const char* wrong : {"course last", "course last=g:at:", "course last=x:at::",
                              "course last=:at::", "course last=g:at:::", "course  last=g:at::"})
        EXPECT_THROW(rollup_from(wrong), Error) << wrong;
}

TEST(RollupOf, RefusesWhatCannotBeMergedOrNamed) {
    const auto course = [] { return Rollup({"course"}); };
    EXPECT_EQ(refusal("totals", course().count("steps")), std::nullopt);
    EXPECT_EQ(refusal("totals", course().max("last", "at").min("least", "length")), std::nullopt);
    const auto wrong = std::optional(Errc::invalid_argument);
    EXPECT_EQ(refusal("Totals", course().count("steps")), wrong);
    EXPECT_EQ(refusal("totals", course()), wrong) << "no column";
    EXPECT_EQ(refusal("totals", Rollup({}).count("steps")), wrong) << "no key";
    EXPECT_EQ(refusal("totals", Rollup({"lesson"}).count("steps")), wrong);
    EXPECT_EQ(refusal("totals", Rollup({"course", "course"}).count("steps")), wrong);
    EXPECT_EQ(refusal("totals", course().count("kind")), wrong) << "a member's name";
    EXPECT_EQ(refusal("totals", course().count("n").count("n")), wrong);
    EXPECT_EQ(refusal("totals", course().sum("total", "length")), wrong)
        << "a sum of reals depends on their order";
    EXPECT_EQ(refusal("totals", course().max("last", "kind")), wrong);
    EXPECT_EQ(refusal("totals", course().max("last", "is_first")), wrong);
    EXPECT_EQ(refusal("totals", course().max("last", "lesson")), wrong);
    EXPECT_EQ(refusal("totals", course().count("n", {"course", "7"})), wrong) << "no text";
    for (const char* no_word : {"", "a b", "a'b", "a:b", "a=b"})
        EXPECT_EQ(refusal("totals", course().count("n", {"kind", no_word})), wrong) << no_word;
    EXPECT_EQ(refusal("totals", course().count("n", {"kind", std::string(63, 'a')})), std::nullopt);
    EXPECT_EQ(refusal("totals", course().count("n", {"kind", std::string(64, 'a')})), wrong);
    Rollup widest({"course"});
    for (int i = 0; i < 64; ++i) widest.count("n" + std::to_string(i));
    EXPECT_EQ(refusal("totals", widest), std::nullopt);
    EXPECT_EQ(refusal("totals", widest.count("n64")), wrong);
}

Task<std::uint64_t> no_steps(Reader, std::int64_t, std::int64_t, FunctionRef<void(const Step&)>) {
    co_return 0;
}
Task<std::int64_t> no_course(Reader) { co_return 0; }

TEST(RollupOf, OfATableWithABackFillHasItsKey) {
    std::vector<FactTable> tables;
    Facts facts("test", tables);
    FactTable& table = facts.table<Step>("steps");
    table.rolled_up("kinds", Rollup({"kind"}).count("steps"));
    EXPECT_THROW(table.back_filled_by<Step>("course", no_steps, no_course), Error);
    EXPECT_THROW(table.rolled_up("others", Rollup({"is_first"}).count("steps")), Error);
}

TEST(RollupOf, HasANameOfItsOwn) {
    telemetry::Registry registry;
    for (const char* name : {"steps", "totals", "other"}) {
        std::vector<FactTable> tables;
        Facts facts("test", tables);
        facts.table<Step>("steps")
            .rolled_up("totals", Rollup({"course"}).count("n"))
            .rolled_up(name, Rollup({"course"}).count("n"));
        if (name == std::string_view("other"))
            EXPECT_NO_THROW(Recorder(tables, 1, registry));
        else
            EXPECT_THROW(Recorder(tables, 1, registry), Error) << name;
    }
}

TEST(RollupSql, GroupsTheFacts) {
    const Rollup rollup = Rollup({"course"})
                              .count("n")
                              .max("last", "at", {"kind", "end"})
                              .min("first", "at", facts_without("kind", "end"));
    EXPECT_EQ(internal::grouped(rollup, "steps"),
              "SELECT \"course\", count(*) AS \"n\", max(\"at\") FILTER (WHERE \"kind\" = 'end') "
              "AS \"last\", min(\"at\") FILTER (WHERE \"kind\" <> 'end') AS \"first\" FROM steps "
              "GROUP BY \"course\"");
}

}  // namespace
}  // namespace loadstone::analytics
