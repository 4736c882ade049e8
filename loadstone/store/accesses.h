#pragma once
// Access: what a statement reads or writes, as tools/sqlgen finds it when it types the statement.
// Each table has a row for the whole of it, and one for each column that all of the statement's
// uses of the table bind to a parameter: it then touches rows with that value alone.

#include <string_view>

namespace loadstone::store {

struct Access {
    std::string_view statement;  // its name: "learning.standings"
    std::string_view table;
    std::string_view column{};  // empty: the row for the whole table
    int parameter = 0;          // 1..n, of the column
    bool is_array = false;      // the parameter is a JSON array: one of its values
    bool writes = false;
};

}  // namespace loadstone::store
