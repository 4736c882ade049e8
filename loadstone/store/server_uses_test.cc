#include "loadstone/store/server_uses.h"

#include <gtest/gtest.h>

namespace loadstone::store {

namespace {

bool is_shown_as(std::string_view ours, std::string_view told) {
    const StatementForm form(ours), of_server(told);
    return form.key() == of_server.key() && form.is_shown_as(of_server);
}

ServerUse use_of(std::string text, std::uint64_t calls, double cpu_ms = -1) {
    ServerUse use;
    use.text = std::move(text);
    use.calls = calls;
    use.cpu_ms = cpu_ms;
    return use;
}

}  // namespace

// As PostgreSQL 15 shows them.
TEST(StatementForm, LiteralsAreShownAsParameters) {
    struct Case {
        std::string_view ours, told;
    };
    for (const auto& [ours, told] : {
             Case{"select id from t where a = $1", "select id from t where a = $1"},
             {"select id from t where a = $1 limit 5", "select id from t where a = $1 limit $2"},
             {"select id from t where s = 'it''s' and a = $1 and b = 2.5e-3",
              "select id from t where s = $2 and a = $1 and b = $3"},
             {"select true, null, e'a\\'b', x'ff', $$a'b$$, $t$c$t$ from t",
              "select $1, $2, $3, $4, $5, $6 from t"},
             {"select x from t where y = -1 and z = x - 1",
              "select x from t where y = $1 and z = x - $2"},
             {"select extract(epoch from at) from t", "select extract($1 from at) from t"},
             {"select now() - interval '1 day'", "select now() - interval $1"},
             {"select a::numeric(10, 2), '{}'::jsonb from t order by 1",
              "select a::numeric(10, 2), $1::jsonb from t order by 1"},
             {"select a from t where b is not null and c is true",
              "select a from t where b is not null and c is true"},
             {"select \"a b\"  -- it's\n from t /* 'x' /* y */ */;", "select \"a b\" from t"},
         }) {
        EXPECT_TRUE(is_shown_as(ours, told)) << ours;
        EXPECT_TRUE(is_shown_as(ours, ours)) << ours;
    }
}

TEST(StatementForm, AnotherStatementIsNotTaken) {
    for (const auto& [ours, told] : {
             std::pair<std::string_view, std::string_view>{"select a from t where b = $1 limit 5",
                                                           "select a from u where b = $1 limit $2"},
             {"select a from t where b = $1 and c = $2", "select a from t where b = $2 and c = $1"},
             {"select a from t where b = $1 limit 5", "select a from t where b = $1 limit $1"},
             {"select a from t where b = $1", "select a from t where b = $2"},
             {"select a from t order by 1", "select a from t order by 2"},
             {"select a from t where b = $1", "select a from t where b = $1 limit $2"},
             {"select \"a\" from t", "select \"A\" from t"},
         })
        EXPECT_FALSE(is_shown_as(ours, told)) << ours << " / " << told;
}

TEST(StatementForm, WhatIsNoSqlEndsToo) {
    for (const std::string_view text : {"", "'", "e'\\", "/*", "$", "$a", "\"", "--", ".", "$1$"})
        EXPECT_TRUE(is_shown_as(text, text)) << text;
}

TEST(ServerUses, AreAddedUpByStatement) {
    ServerStatistics statistics;
    statistics.statements = {use_of("select a from t limit $1", 3, 2.5),
                             use_of("select a from t  limit $1", 4),
                             use_of("select b from t limit $1", 5)};
    const ServerUses uses(statistics);
    const auto use = uses.of("select a from t limit 10");
    ASSERT_TRUE(use.has_value());
    EXPECT_EQ(use->calls, 7U);
    EXPECT_EQ(use->cpu_ms, 2.5);
    EXPECT_EQ(use->disk_bytes, -1);
    EXPECT_EQ(uses.of("select b from t limit 1")->calls, 5U);
    EXPECT_FALSE(uses.of("select c from t limit 1").has_value());
}

}  // namespace loadstone::store
