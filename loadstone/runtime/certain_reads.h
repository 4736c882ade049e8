#pragma once
// CertainReads: while it lives nothing is given that is older than asked for, and no read is kept
// from the primary. For who asks, and what they may see, whatever the route allows what it shows.

#include "loadstone/runtime/freshness.h"

namespace loadstone::runtime {

class CertainReads {
public:
    explicit CertainReads(Reading& reading) noexcept
        : reading_(reading), was_heavy_(reading.is_heavy), stale_max_(reading.stale_max) {
        reading_.is_heavy = false;
        reading_.stale_max = {};
    }
    ~CertainReads() {
        reading_.is_heavy = was_heavy_;
        reading_.stale_max = stale_max_;
    }
    CertainReads(const CertainReads&) = delete;
    CertainReads& operator=(const CertainReads&) = delete;

private:
    Reading& reading_;
    const bool was_heavy_;
    const std::chrono::milliseconds stale_max_;
};

}  // namespace loadstone::runtime
