#pragma once
// Frequencies: how often keys were asked for of late, in a count-min sketch (Cormode and
// Muthukrishnan, 2005) with counters up to 15 that are all halved after ten times as many
// requests as it has places (Einziger, Friedman and Manes, TinyLFU, 2017).

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace loadstone::cache::internal {

class Frequencies {
public:
    // For so many keys.
    explicit Frequencies(std::size_t keys)
        : counters_(std::bit_ceil(std::max<std::size_t>(keys, 64)) * rows) {}

    void add(std::uint64_t key) noexcept {
        bool has_grown = false;
        for (std::size_t row = 0; row < rows; ++row) {
            std::uint8_t& counter = counters_[place(key, row)];
            if (counter == counter_max) continue;
            ++counter;
            has_grown = true;
        }
        if (has_grown && ++added_ >= 10 * width()) age();
    }
    std::uint8_t of(std::uint64_t key) const noexcept {
        std::uint8_t least = counter_max;
        for (std::size_t row = 0; row < rows; ++row)
            least = std::min(least, counters_[place(key, row)]);
        return least;
    }

private:
    static constexpr std::size_t rows = 4;
    static constexpr std::uint8_t counter_max = 15;

    std::size_t width() const noexcept { return counters_.size() / rows; }
    std::size_t place(std::uint64_t key, std::size_t row) const noexcept {
        static constexpr std::array<std::uint64_t, rows> seeds{
            0xC3A5'C85C'97CB'3127U, 0xB492'B66F'BE98'F273U, 0x9AE1'6A3B'2F90'404FU,
            0xCBF2'9CE4'8422'2325U};
        std::uint64_t hash = (key + seeds[row]) * seeds[row];
        hash ^= hash >> 32U;
        return row * width() + (hash & (width() - 1));
    }
    void age() noexcept {
        for (std::uint8_t& counter : counters_) counter >>= 1U;
        added_ /= 2;
    }

    std::vector<std::uint8_t> counters_;
    std::size_t added_ = 0;
};

}  // namespace loadstone::cache::internal
