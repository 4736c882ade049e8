#include "loadstone/store/sqlite/parameter_kinds.h"

#include <gtest/gtest.h>

namespace loadstone::store::sqlite {

namespace {

using enum ParameterKind;

class ParameterKinds : public ::testing::Test {
protected:
    ParameterKinds() {
        EXPECT_EQ(sqlite3_open(":memory:", &db_), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(db_,
                               "create table t (id integer primary key, n bigint, s text, r real);"
                               "create index t_n on t (n, s); create index t_s on t (s)",
                               nullptr, nullptr, nullptr),
                  SQLITE_OK);
    }
    ~ParameterKinds() override { sqlite3_close(db_); }
    std::vector<ParameterKind> of(const std::string& sql, int count) {
        return parameter_kinds(db_, sql, count);
    }

    sqlite3* db_ = nullptr;
};

}  // namespace

TEST_F(ParameterKinds, AreThoseOfWhatTheyAreComparedWith) {
    struct Case {
        std::string sql;
        std::vector<ParameterKind> kinds;
    };
    for (const auto& [sql, kinds] :
         std::vector<Case>{{"select * from t where id = ?1", {integer}},
                           {"select * from t where id > ?1 and id <= ?2", {integer, number}},
                           {"select * from t where n = ?1 and s = ?2", {number, any}},
                           {"select * from t where s = ?1 and r > ?2", {any, number}},
                           {"select s from t where s > ?1 order by s limit ?2", {any, integer}},
                           {"select * from t where (n, s) > (?1, ?2)", {integer, any}},
                           {"select * from t where id in (select value from json_each(?1))", {any}},
                           {"select s || ?1 from t", {any}},
                           {"update t set n = ?1, s = ?2 where id = ?3", {integer, any, integer}},
                           {"no sql ?1", {any}},
                           {"select 1", {}}})
        EXPECT_EQ(of(sql, static_cast<int>(kinds.size())), kinds) << sql;
}

TEST_F(ParameterKinds, TellWhatAValueMisses) {
    EXPECT_EQ(kind_missed(any, "abc"), "");
    for (const auto kind : {number, integer}) {
        EXPECT_EQ(kind_missed(kind, "-9223372036854775808"), "");
        for (const char* const text : {"", "abc", "1x", "99999999999999999999"})
            EXPECT_NE(kind_missed(kind, text), "") << text;
    }
    EXPECT_EQ(kind_missed(number, "1.5e3"), "");
    EXPECT_EQ(kind_missed(integer, "1.5"), "an int of 64 bits");
    EXPECT_EQ(kind_missed(number, "e"), "a number");
}

}  // namespace loadstone::store::sqlite
