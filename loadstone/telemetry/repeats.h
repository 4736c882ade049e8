#pragma once
// Repeats: how often the same thing was done in a span, for the few done most often. With more than
// `entries_max` different things the one done least makes room, so that one that is done over and
// over is counted even if it comes late, and never counted too high.

#include <array>
#include <cstddef>
#include <cstdint>

namespace loadstone::telemetry {

class Repeats {
public:
    static constexpr std::size_t entries_max = 8;

    // How often, with this time. `key` is a hash, not 0.
    std::uint32_t add(std::uint64_t key) noexcept {
        Entry* least = entries_.data();
        for (Entry& entry : entries_) {
            if (entry.key == key) return ++entry.times;
            if (entry.times < least->times) least = &entry;
        }
        *least = {key, 1};
        return 1;
    }
    std::uint32_t times(std::uint64_t key) const noexcept {
        for (const Entry& entry : entries_) {
            if (entry.key == key) return entry.times;
        }
        return 0;
    }

private:
    struct Entry {
        std::uint64_t key = 0;
        std::uint32_t times = 0;
    };
    std::array<Entry, entries_max> entries_{};
};

}  // namespace loadstone::telemetry
