#include "campus/seed/popularity.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

namespace campus::seed {

using namespace loadstone;

namespace {

constexpr double exponent = 0.9;

}  // namespace

Popularity::Popularity(Random& random, std::size_t count) {
    for (std::size_t rank = 1; rank <= count; ++rank)
        share_.push_back(std::pow(static_cast<double>(rank), -exponent));
    for (std::size_t left = count; left > 1; --left)
        std::swap(share_[left - 1], share_[random.below(left)]);
    const double all = std::accumulate(share_.begin(), share_.end(), 0.0);
    double sum = 0;
    for (double& share : share_) {
        share /= all;
        up_to_.push_back(sum += share);
    }
}

std::size_t Popularity::choose(Random& random) const {
    const auto found = std::ranges::upper_bound(up_to_, random.uniform());
    return std::min(static_cast<std::size_t>(std::distance(up_to_.begin(), found)),
                    up_to_.size() - 1);
}

}  // namespace campus::seed
