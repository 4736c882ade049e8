#pragma once
// What SQLite makes of the parameters of a statement, read from its program (EXPLAIN): a text that
// is compared with a number is less, equal and greater to none, and no error. For values that
// somebody types.

#include <sqlite3.h>

#include <string>
#include <vector>

namespace loadstone::store::sqlite {

enum class ParameterKind {
    any,      // or not known
    number,   // goes where whole numbers or fractions are
    integer,  // of 64 bits
};

// Of each of `count` parameters. Nothing is known of a statement that cannot be prepared.
std::vector<ParameterKind> parameter_kinds(sqlite3* db, const std::string& sql, int count);

// "an int of 64 bits", "a number"; empty if `value` will do. An int will do for a number.
std::string kind_missed(ParameterKind kind, const std::string& value);

}  // namespace loadstone::store::sqlite
