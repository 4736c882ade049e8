#pragma once
// Position: how far facts have been carried. Facts go in windows. A window is the facts of the
// transactions low <= xid < high, all of which had ended when it was opened, and its facts go in
// the order of their numbers. So nothing can come to stand behind a position that has been passed,
// and of two transactions of which one waited for a row of the other, the facts go in their order
// (ADR 21). On SQLite, whose transactions commit in the order of their facts' numbers, all facts
// are in one window.

#include <cstdint>

namespace loadstone::analytics {

struct Position {
    std::int64_t low = 0;
    std::int64_t high = 0;
    std::int64_t seq = 0;  // of the last fact of the window that has been carried; 0: none

    bool operator==(const Position&) const = default;
};

}  // namespace loadstone::analytics
