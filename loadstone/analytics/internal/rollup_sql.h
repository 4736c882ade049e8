#pragma once
// A rollup in DuckDB's SQL.

#include <string>

#include "loadstone/analytics/rollup.h"

namespace loadstone::analytics::internal {

// Names are [a-z0-9_], and may be words of SQL.
std::string quoted(const std::string& name);

// "a", "b" ..
std::string key_list(const Rollup& rollup);

// Its rows of the facts in `from`: a table, and a condition if there is one.
std::string grouped(const Rollup& rollup, const std::string& from);

// One row, the number of rows in which `name`, which the store keeps, differs from its grouping of
// the facts, where $1 <= key < $2.
std::string differences(const std::string& name, const Rollup& rollup, const std::string& fact,
                        const std::string& key);

}  // namespace loadstone::analytics::internal
