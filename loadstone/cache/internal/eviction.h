#pragma once
// Eviction: which keys stay when the bytes do not suffice; W-TinyLFU with a window that adapts
// (Einziger, Eytan, Friedman and Manes, Adaptive Software Cache Management, 2018).
//
// New keys enter a window (LRU). What falls out of it is a candidate for the main part: it takes
// the place of the one that would go next if it was asked for more often. The main part is a
// segmented LRU: probation, and protected for what was asked for again.
//
// Some traffic wants the window large (recency), some small (frequency). So a sample of the keys is
// also kept by small copies with windows of several sizes, and the window is that of the copy that
// answers most (Waldspurger, Saemundson, Ahmad and Park, Cache Modeling and Optimization using
// Miniature Simulations, 2017). To climb the hill of the hit ratio instead fails where the hill is
// flatter than the noise: up to 9 points behind LRU.
//
// Pure, not thread-safe. A key is a hash of 64 bits.

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "loadstone/base/random.h"
#include "loadstone/cache/internal/frequencies.h"

namespace loadstone::cache::internal {

struct EvictionOptions {
    std::uint64_t bytes_max = 64 << 20;
    std::uint64_t entry_bytes = 1'024;  // expected, for the size of the sketch
    double window = 0.01;               // to begin with, of bytes_max
    bool adapts = true;                 // costs some 250 KiB
    std::uint64_t seed = 1;
};

class Eviction {
public:
    explicit Eviction(const EvictionOptions& options);
    ~Eviction();
    Eviction(const Eviction&) = delete;
    Eviction& operator=(const Eviction&) = delete;

    // Asked for: true if it is here.
    bool touch(std::uint64_t key);
    // Enters after touch() was false, in place of what is here of the key; `gone` gets the keys
    // that leave for it, itself among them if it was not let in.
    void insert(std::uint64_t key, std::uint64_t bytes, std::vector<std::uint64_t>& gone);
    void remove(std::uint64_t key);

    std::uint64_t bytes() const noexcept { return bytes_[0] + bytes_[1] + bytes_[2]; }
    std::size_t size() const noexcept { return nodes_.size(); }
    std::uint64_t window_max() const noexcept { return window_max_; }

private:
    enum Part : std::uint8_t { window, probation, protected_part };
    struct Node {
        std::uint64_t key, bytes;
        Part part;
    };
    using List = std::list<Node>;

    void move(List::iterator node, Part to);
    void erase(List::iterator node, std::vector<std::uint64_t>& gone);
    void forget(std::uint64_t key);
    void shrink_protected();
    void evict(std::vector<std::uint64_t>& gone);
    bool is_admitted(std::uint64_t candidate, std::uint64_t victim);
    struct Copies;

    void count(std::uint64_t key, std::uint64_t bytes);
    std::uint64_t protected_max() const noexcept {
        return (options_.bytes_max - window_max_) / 5 * 4;
    }

    const EvictionOptions options_;
    Frequencies frequencies_;
    Random random_;
    std::array<List, 3> lists_;  // the front was used last
    std::array<std::uint64_t, 3> bytes_{};
    std::unordered_map<std::uint64_t, List::iterator> nodes_;
    std::uint64_t window_max_;
    std::unique_ptr<Copies> copies_;  // null: it does not adapt
};

}  // namespace loadstone::cache::internal
