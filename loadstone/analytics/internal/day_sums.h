#pragma once
// Facts by day, as a number and a checksum that does not depend on their order. Pure.

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/row_bytes.h"

namespace loadstone::analytics::internal {

class DaySums {
public:
    struct Day {
        std::int64_t facts = 0;
        std::int64_t sum = 0;  // of 31 bits of each one's hash
    };

    // Cells in the order of `columns`.
    explicit DaySums(std::vector<Column> columns);
    void add(const std::vector<Cell>& cells);
    // A row as `like` describes it, which has the same columns, and may say more of them nullable.
    void add(std::string_view row, const std::vector<Column>& like);

    const std::vector<Column>& columns() const noexcept { return columns_; }
    // By days since 1970, of the first column that is a time; 0 without one.
    const std::map<std::int64_t, Day>& days() const noexcept { return days_; }

private:
    const std::vector<Column> columns_;
    std::size_t time_;  // which column; as many as there are: none
    std::vector<Cell> cells_;
    std::map<std::int64_t, Day> days_;
};

}  // namespace loadstone::analytics::internal
