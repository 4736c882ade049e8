#pragma once
// What EXPLAIN prints, read (PostgreSQL 15, FORMAT TEXT). Each node is a line
//
//     INDENT ["->  "] NODE "  (cost=A..B rows=N width=N)" [" (actual" ["time=A..B "] "rows=N
//     loops=N)"]
//
// or ends in "(never executed)"; other lines belong to the node above them.

#include <string_view>

#include "loadstone/store/inspection.h"

namespace loadstone::store::postgres {

// `text`: the lines of the result, each ended by '\n'. What it does not know becomes a detail.
ExplainedPlan read_plan(std::string_view text);

}  // namespace loadstone::store::postgres
