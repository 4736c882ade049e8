#pragma once
// A row as bytes: column after column, a nullable one behind a byte that is 1 if there is a value.

#include <string>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/wire.h"

namespace loadstone::analytics::internal {

// `object` is of the described type `record`.
std::string row_bytes(const TypeInfo& record, const void* object);

// One value of a row that is read; a member stands for the column's type.
struct Cell {
    bool is_null = false;
    std::int64_t integer = 0;  // boolean, integer, timestamp
    double real = 0;
    std::string_view text{};
};
Cell read_cell(WireReader& from, const Column& column);

// Into the described type, members by position. Errors: data_loss for a null or a number that the
// member cannot hold.
void read_row(WireReader& from, const std::vector<Column>& columns, const TypeInfo& record,
              void* object);

}  // namespace loadstone::analytics::internal
