#pragma once
// Generations: how a table of facts is made anew beside the one that is shown. ClickHouse deletes
// by rewriting the table, so a range is not replaced in its place. Each row says of which
// generations it is: the first, and how many more. The one that is shown changes when the next is
// whole, by one commit; what is of neither is deleted then. Pure.
//
//   a fact that is carried    is of the shown one; and of the next, if its key's range of that is
//                             made already, else that range will have it from the tables
//   a fact of a range         is of the next one

#include <cstdint>

namespace loadstone::analytics::clickhouse {

struct Generations {
    std::int64_t shown = 0;
    std::int64_t made = 0;      // the greatest that was begun; it is whole when it is shown
    std::int64_t run = 0;       // that makes it (FactRange::run)
    std::int64_t next_key = 0;  // keys below it are made

    bool is_making() const noexcept { return made > shown; }
    // How many generations behind the shown one a fact of this key is of, too.
    std::int64_t span_of(std::int64_t key) const noexcept {
        return is_making() && key < next_key ? made - shown : 0;
    }
    // Another run begins: what was made of the next one is of none.
    void begin(std::int64_t of) noexcept {
        ++made;
        run = of;
        next_key = 0;
    }
    void add_range(std::int64_t end, bool is_last) noexcept {
        next_key = end;
        if (is_last) shown = made;
    }
    bool operator==(const Generations&) const = default;
};

}  // namespace loadstone::analytics::clickhouse
