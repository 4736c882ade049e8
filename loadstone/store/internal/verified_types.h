#pragma once
// Which types the columns of a prepared statement were found to fit: kept by a backend beside each
// prepared statement, asked and filled by decode_row(). Bounded: a type that is forgotten is only
// checked again.

#include <array>
#include <cstddef>

#include "loadstone/base/type_info.h"

namespace loadstone::store::internal {

class VerifiedTypes {
public:
    bool contains(const TypeInfo& type) const noexcept {
        for (const TypeInfo* known : types_) {
            if (known == &type) return true;
        }
        return false;
    }
    void add(const TypeInfo& type) noexcept {
        types_[next_] = &type;
        next_ = (next_ + 1) % types_.size();
    }

private:
    std::array<const TypeInfo*, 4> types_{};
    std::size_t next_ = 0;
};

}  // namespace loadstone::store::internal
