#include "loadstone/cache/internal/eviction.h"

#include <cmath>
#include <utility>

namespace loadstone::cache::internal {

namespace {

// Those of the paper's authors' own (Caffeine): how far the first step goes, how steps shrink, and
// which change of the hit ratio means that the traffic is another.
constexpr double first_step = 0.0625;
constexpr double step_decay = 0.95;
constexpr double restart_at = 0.05;
constexpr std::uint64_t samples_per_entry = 10;
// A candidate that was asked for often, yet no more than the victim, is let in at times: so that
// nobody who knows the hashes keeps all others out.
constexpr std::uint8_t warm = 6;
constexpr double warm_admission = 1.0 / 128;

}  // namespace

Eviction::Eviction(const EvictionOptions& options)
    : options_(options),
      frequencies_(static_cast<std::size_t>(options.bytes_max / options.entry_bytes)),
      random_(options.seed),
      window_max_(
          static_cast<std::uint64_t>(static_cast<double>(options.bytes_max) * options.window)),
      step_(first_step * static_cast<double>(options.bytes_max)) {}

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
    count(found != nodes_.end());
    if (found == nodes_.end()) return false;
    const auto node = found->second;
    move(node, node->part == window ? window : protected_part);
    shrink_protected();
    return true;
}

void Eviction::shrink_protected() {
    while (bytes_[protected_part] > protected_max())
        move(std::prev(lists_[protected_part].end()), probation);
}

void Eviction::insert(std::uint64_t key, std::uint64_t bytes, std::vector<std::uint64_t>& gone) {
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

void Eviction::count(bool is_hit) {
    ++(is_hit ? hits_ : misses_);
    if (options_.adapts && hits_ + misses_ >= samples_per_entry * std::max<std::size_t>(size(), 64))
        climb();
}

void Eviction::climb() {
    const double ratio = static_cast<double>(hits_) / static_cast<double>(hits_ + misses_);
    hits_ = misses_ = 0;
    const double change = ratio - std::exchange(ratio_before_, ratio);
    if (!std::exchange(has_sampled_, true)) return;  // it filled
    const double most = static_cast<double>(options_.bytes_max);
    if (change < 0) step_ = -step_;
    if (std::abs(change) >= restart_at)
        step_ = std::copysign(first_step * most, step_);
    else
        step_ *= step_decay;
    const double next =
        std::clamp(static_cast<double>(window_max_) + step_, most / 100, most * 0.99);
    window_max_ = static_cast<std::uint64_t>(next);
    shrink_protected();
}

}  // namespace loadstone::cache::internal
