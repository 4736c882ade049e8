#include "loadstone/analytics/clickhouse/client.h"

#include <gtest/gtest.h>

#include "loadstone/analytics/clickhouse/generations.h"

namespace loadstone::analytics::clickhouse {
namespace {

TEST(ErrorOf, ReadsTheCodeOfOldAndNewServers) {
    const std::string_view refusal =
        "Code: 62, e.displayText() = DB::Exception: Syntax error: failed\nat 'Secret', e.what() = "
        "DB::Exception";
    const Error old = error_of(500, refusal);
    EXPECT_EQ(old.code(), Errc::invalid_argument);
    EXPECT_EQ(old.message(), "ClickHouse: error 62 SYNTAX_ERROR") << "a value may be in its text";
    EXPECT_EQ(error_of(500, refusal, true).message(),
              "ClickHouse: Syntax error: failed at 'Secret'");
    EXPECT_EQ(error_of(500, "Code: 1002, x 'Secret'").message(), "ClickHouse: error 1002");
    const Error late =
        error_of(500, "Code: 159. DB::Exception: Timeout exceeded (TIMEOUT_EXCEEDED)");
    EXPECT_EQ(late.code(), Errc::deadline_exceeded);
    EXPECT_EQ(error_of(500, "Code: 396, x").code(), Errc::resource_exhausted);
    EXPECT_EQ(error_of(401, "Code: 193, x").code(), Errc::unavailable);
    EXPECT_EQ(error_of(500, "Code: 1002, x").code(), Errc::internal);
    EXPECT_EQ(error_of(502, "<html>").code(), Errc::unavailable);
    EXPECT_EQ(error_of(404, "").code(), Errc::internal);
}

TEST(Address, NamesTheDatabaseAndHidesTheAccount) {
    const Address address = address_of("http://campus:se%27cret@db:8123/facts");
    EXPECT_EQ(address.url, "http://db:8123/?database=facts");
    EXPECT_EQ(address.name, "db:8123/facts");
    EXPECT_EQ(address.user, "campus");
    EXPECT_EQ(address.password, "se'cret");
    for (const char* wrong : {"http://u:secret@db:8123", "http://u:secret@db:8123/",
                              "postgres://db/x", "http://db/a/b", "http://:secret@db/facts"}) {
        try {
            address_of(wrong);
            ADD_FAILURE() << wrong;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            EXPECT_EQ(std::string(error.message()).find("secret"), std::string::npos);
        }
    }
}

// A fact is in a generation if it is of the first .. first + span.
bool is_shown(std::int64_t generation, std::int64_t first, std::int64_t span) {
    return generation >= first && generation <= first + span;
}

TEST(Generations, ARowIsShownOnceBeforeAndAfterTheyChange) {
    Generations of;
    const std::int64_t before = of.span_of(5);
    EXPECT_TRUE(is_shown(of.shown, 0, before));
    of.begin(1);
    of.add_range(10, false);  // has the fact above from the tables
    const std::int64_t below = of.span_of(9), at = of.span_of(10);
    EXPECT_TRUE(is_shown(of.shown, of.shown, below));
    EXPECT_TRUE(is_shown(of.shown, of.shown, at));
    const Generations making = of;
    of.add_range(20, true);
    EXPECT_FALSE(is_shown(of.shown, 0, before)) << "the range has it";
    EXPECT_TRUE(is_shown(of.shown, making.shown, below));
    EXPECT_FALSE(is_shown(of.shown, making.shown, at)) << "the last range has it";
    EXPECT_FALSE(of.is_making());
    EXPECT_EQ(of.span_of(5), 0);
}

TEST(Generations, WhatARunLeftBehindIsNeverShown) {
    Generations of;
    of.begin(1);
    of.add_range(10, false);
    const std::int64_t abandoned = of.made, shown = of.shown, span = of.span_of(5);
    of.begin(2);
    of.add_range(20, true);
    EXPECT_FALSE(is_shown(of.shown, abandoned, 0));
    EXPECT_FALSE(is_shown(of.shown, shown, span)) << "carried before the run: a range has it";
    EXPECT_TRUE(is_shown(of.shown, of.made, 0));
}

}  // namespace
}  // namespace loadstone::analytics::clickhouse
