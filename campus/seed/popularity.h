#pragma once
// Which courses people choose: of the r-th most popular 1 / r^0.9 as many as of the first (Zipf).
// Pure.

#include <cstdint>
#include <vector>

#include "loadstone/base/random.h"

namespace campus::seed {

class Popularity {
public:
    // Of `count` things, which of them is how popular drawn.
    Popularity(loadstone::Random& random, std::size_t count);

    // Of all choices, those of this one; they sum up to 1.
    double share(std::size_t thing) const { return share_[thing]; }
    std::size_t choose(loadstone::Random& random) const;

private:
    std::vector<double> share_, up_to_;
};

}  // namespace campus::seed
