#pragma once
// What happens in the shop, for other modules to hear.

#include <cstdint>

#include "loadstone/base/describe.h"

namespace shop {

struct OrderPlaced {
    std::int64_t order = 0;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(OrderPlaced, (), (order, cents))

}  // namespace shop
