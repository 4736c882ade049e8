#include "loadstone/telemetry/internal/shard_pool.h"

#include <algorithm>

namespace loadstone::telemetry {
namespace {

struct Latest {
    const ShardPool* pool = nullptr;
    Shard* shard = nullptr;
};

// The last entry of `held` that was used; trivial, so that reading it needs no initialisation
// check.
constinit thread_local Latest latest;

struct Held {
    std::weak_ptr<ShardPool> pool;
    Shard* shard = nullptr;
};

// One entry per living registry in which the thread has recorded.
struct HeldShards {
    std::vector<Held> entries;

    HeldShards() = default;
    HeldShards(const HeldShards&) = delete;
    HeldShards& operator=(const HeldShards&) = delete;
    ~HeldShards() {
        latest = {};
        for (const Held& held : entries) {
            if (const auto pool = held.pool.lock()) pool->give_back(held.shard);
        }
    }
};

thread_local HeldShards held_shards;

}  // namespace

Shard& ShardPool::of_this_thread() {
    if (latest.pool == this) return *latest.shard;
    return look_up();
}

Shard& ShardPool::look_up() {
    auto& entries = held_shards.entries;
    latest = {};  // its entry may be erased here, and then its address can come again
    std::erase_if(entries, [](const Held& held) { return held.pool.expired(); });

    auto found = std::find_if(entries.begin(), entries.end(),
                              [this](const Held& held) { return held.pool.lock().get() == this; });
    if (found == entries.end()) {
        entries.reserve(entries.size() + 1);
        entries.push_back({weak_from_this(), take()});
        found = entries.end() - 1;
    }
    latest = {this, found->shard};
    return *found->shard;
}

std::vector<const Shard*> ShardPool::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<const Shard*> shards;
    shards.reserve(shards_.size());
    for (const auto& shard : shards_) shards.push_back(shard.get());
    return shards;
}

Shard* ShardPool::take() {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
        Shard* shard = idle_.back();
        idle_.pop_back();
        return shard;
    }
    idle_.reserve(shards_.size() + 1);
    shards_.push_back(std::unique_ptr<Shard>(new Shard(recording_, statements_max_)));
    return shards_.back().get();
}

void ShardPool::give_back(Shard* shard) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(shard);
}

}  // namespace loadstone::telemetry
