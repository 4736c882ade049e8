#pragma once
// One query: read-only, with a deadline, its rows sent as they come.

#include "loadstone/analytics/duckdb/database.h"
#include "loadstone/analytics/duckdb/watch.h"

namespace loadstone::analytics::duckdb {

// The body of a `query` frame; sends `columns` and `rows` on `fd`. The caller sends the end.
// Errors: invalid_argument for a statement that is no SELECT, or a result of a type that is not one
// of columns.h; resource_exhausted beyond its rows, its bytes or the memory; deadline_exceeded.
void run_query(Connection& on, Watch& watch, int fd, std::string_view body);

}  // namespace loadstone::analytics::duckdb
