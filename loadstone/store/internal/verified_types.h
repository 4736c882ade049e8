#pragma once
// Which types a prepared statement's columns were checked against: what Row::first_of asks. One per
// prepared statement; bounded, because a type that is forgotten is only checked again.

#include <array>
#include <cstddef>

#include "loadstone/base/type_info.h"

namespace loadstone::store::internal {

class VerifiedTypes {
public:
    bool first_of(const TypeInfo& type) noexcept {
        for (const TypeInfo* known : types_) {
            if (known == &type) return false;
        }
        types_[next_] = &type;
        next_ = (next_ + 1) % types_.size();
        return true;
    }

private:
    std::array<const TypeInfo*, 4> types_{};
    std::size_t next_ = 0;
};

}  // namespace loadstone::store::internal
