#include "loadstone/cache/internal/eviction.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

namespace loadstone::cache::internal {

namespace {

// Of the copies, of what each may keep; the last is all but LRU.
constexpr std::array<double, 5> windows{0.01, 0.1, 0.3, 0.6, 0.99};
// Keys that a copy keeps, about.
constexpr std::uint64_t copy_entries = 512;
// So many requests of the sample until they are compared, and by which part of them a copy must be
// better to be followed; what was before counts half each time.
constexpr std::uint64_t requests_each = 2'500;
constexpr double better_by = 0.003;
constexpr double kept_each = 0.5;
// A candidate that was asked for often, yet no more than the victim, is let in at times: so that
// nobody who knows the hashes keeps all others out.
constexpr std::uint8_t warm = 6;
constexpr double warm_admission = 1.0 / 128;

}  // namespace

struct Eviction::Copies {
    struct Copy {
        std::unique_ptr<Eviction> eviction;
        double hits = 0;
    };

    explicit Copies(const EvictionOptions& options) {
        const std::uint64_t entries = options.bytes_max / options.entry_bytes / copy_entries;
        one_of = std::bit_floor(std::max<std::uint64_t>(entries, 1));
        EvictionOptions copy = options;
        copy.adapts = false;
        copy.bytes_max = options.bytes_max / one_of;
        for (const double window : windows) {
            copy.window = window;
            all.push_back({std::make_unique<Eviction>(copy)});
        }
    }
    // By bits of the hash that tables do not use.
    bool is_sampled(std::uint64_t key) const noexcept { return ((key >> 40U) & (one_of - 1)) == 0; }

    // Which to follow; nothing: the same as before.
    std::optional<double> ask(std::uint64_t key, std::uint64_t bytes) {
        for (Copy& copy : all) {
            if (copy.eviction->touch(key)) {
                ++copy.hits;
                continue;
            }
            gone.clear();
            copy.eviction->insert(key, bytes, gone);
        }
        if (++requests < requests_each) return std::nullopt;
        weight = weight * kept_each + static_cast<double>(std::exchange(requests, 0));
        const auto best = std::ranges::max_element(all, {}, &Copy::hits) - all.begin();
        const bool is_better =
            all[static_cast<std::size_t>(best)].hits > all[followed].hits + better_by * weight;
        for (Copy& copy : all) copy.hits *= kept_each;
        if (!is_better) return std::nullopt;
        followed = static_cast<std::size_t>(best);
        return windows[followed];
    }

    std::uint64_t one_of = 1;
    std::vector<Copy> all;
    std::size_t followed = 0;
    std::uint64_t requests = 0;
    double weight = 0;
    std::vector<std::uint64_t> gone;
};

Eviction::Eviction(const EvictionOptions& options)
    : options_(options),
      frequencies_(static_cast<std::size_t>(options.bytes_max / options.entry_bytes)),
      random_(options.seed),
      window_max_(
          static_cast<std::uint64_t>(static_cast<double>(options.bytes_max) * options.window)),
      copies_(options.adapts ? std::make_unique<Copies>(options) : nullptr) {}

Eviction::~Eviction() = default;

void Eviction::move(List::iterator node, Part to) {
    bytes_[node->part] -= node->bytes;
    lists_[to].splice(lists_[to].begin(), lists_[node->part], node);
    node->part = to;
    bytes_[to] += node->bytes;
}

void Eviction::erase(List::iterator node, std::vector<std::uint64_t>& gone) {
    gone.push_back(node->key);
    bytes_[node->part] -= node->bytes;
    nodes_.erase(node->key);
    lists_[node->part].erase(node);
}

bool Eviction::touch(std::uint64_t key) {
    frequencies_.add(key);
    const auto found = nodes_.find(key);
    if (found == nodes_.end()) return false;
    const auto node = found->second;
    count(key, node->bytes);
    move(node, node->part == window ? window : protected_part);
    shrink_protected();
    return true;
}

void Eviction::shrink_protected() {
    while (bytes_[protected_part] > protected_max())
        move(std::prev(lists_[protected_part].end()), probation);
}

void Eviction::insert(std::uint64_t key, std::uint64_t bytes, std::vector<std::uint64_t>& gone) {
    count(key, bytes);
    forget(key);
    if (bytes > options_.bytes_max) {
        gone.push_back(key);
        return;
    }
    lists_[window].push_front({key, bytes, window});
    nodes_[key] = lists_[window].begin();
    bytes_[window] += bytes;
    evict(gone);
}

void Eviction::remove(std::uint64_t key) {
    if (copies_ != nullptr && copies_->is_sampled(key)) {
        for (Copies::Copy& copy : copies_->all) copy.eviction->remove(key);
    }
    forget(key);
}

void Eviction::forget(std::uint64_t key) {
    const auto found = nodes_.find(key);
    if (found == nodes_.end()) return;
    std::vector<std::uint64_t> ignored;
    erase(found->second, ignored);
}

bool Eviction::is_admitted(std::uint64_t candidate, std::uint64_t victim) {
    const std::uint8_t ours = frequencies_.of(candidate), theirs = frequencies_.of(victim);
    if (ours != theirs) return ours > theirs;
    return ours >= warm && random_.uniform() < warm_admission;
}

void Eviction::evict(std::vector<std::uint64_t>& gone) {
    while (bytes_[window] > window_max_ && !lists_[window].empty()) {
        const auto candidate = std::prev(lists_[window].end());
        move(candidate, probation);
        while (bytes() > options_.bytes_max) {
            auto victim = std::prev(lists_[probation].end());
            if (victim == candidate && !lists_[protected_part].empty())
                victim = std::prev(lists_[protected_part].end());
            const bool is_last = victim == candidate || !is_admitted(candidate->key, victim->key);
            erase(is_last ? candidate : victim, gone);
            if (is_last) break;
        }
    }
    // Only the window is left when it has grown to all.
    while (bytes() > options_.bytes_max) {
        for (const Part part : {probation, protected_part, window}) {
            if (lists_[part].empty()) continue;
            erase(std::prev(lists_[part].end()), gone);
            break;
        }
    }
}

// A request is known when it is answered: of a miss only then is there a size.
void Eviction::count(std::uint64_t key, std::uint64_t bytes) {
    if (copies_ == nullptr || !copies_->is_sampled(key)) return;
    const std::optional<double> window = copies_->ask(key, bytes);
    if (!window) return;
    window_max_ = static_cast<std::uint64_t>(static_cast<double>(options_.bytes_max) * *window);
    shrink_protected();
}

}  // namespace loadstone::cache::internal
