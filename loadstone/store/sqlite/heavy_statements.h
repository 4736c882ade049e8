#pragma once
// HeavyStatements: which reads exceeded the step budget on a loop and go straight to the reader
// lane. After a number of runs there, one is tried on the loop again; each time it fails the
// number doubles. One loop's; bounded: what is forgotten is found out again.

#include <cstdint>
#include <unordered_map>

namespace loadstone::store::sqlite {

class HeavyStatements {
public:
    static constexpr std::size_t statements_max = 1024;
    static constexpr std::uint32_t lane_runs_min = 16;
    static constexpr std::uint32_t lane_runs_max = 4096;

    // Asked before each run of a statement.
    bool goes_to_lane(const void* identity);
    // A run on the loop ended so.
    void exceeded(const void* identity);
    void fitted(const void* identity);

    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct Entry {
        std::uint32_t lane_runs = 0;  // until the next try
        std::uint32_t left = 0;
    };
    std::unordered_map<const void*, Entry> entries_;
};

}  // namespace loadstone::store::sqlite
