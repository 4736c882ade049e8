#pragma once
// What the functions that tools/sqlgen generates of sql/facts give, and what they were checked
// against. Light: their header includes it.

#include <string_view>
#include <vector>

#include "loadstone/base/timestamp.h"

namespace loadstone::analytics {

// `as_of`: all that had been committed by then is counted.
template <class T>
struct Answer {
    std::vector<T> rows;
    Timestamp as_of;
};

// Of a question for one row. Of one that may find none T is an optional.
template <class T>
struct Single {
    T row;
    Timestamp as_of;
};

// A table of facts or a rollup as questions see it: facts.h, Facts::asked().
struct AskedTable {
    std::string_view name;
    std::string_view columns;  // as to_text() of columns.h
};

}  // namespace loadstone::analytics
