#pragma once
// ShardPool: the shards of one registry and who has them. A thread keeps its shard until it ends;
// then the shard, with all that is in it, is idle and goes to the next thread that asks: one
// writer at a time, handed over under the mutex.

#include <memory>
#include <mutex>
#include <vector>

#include "loadstone/telemetry/registry.h"

namespace loadstone::telemetry {

// Made by make_shared: threads remember it by weak_ptr, and while they do nothing else can be at
// its address. That makes the address its identity.
class ShardPool : public std::enable_shared_from_this<ShardPool> {
public:
    ShardPool(bool recording, std::size_t statements_max)
        : recording_(recording), statements_max_(statements_max) {}

    Shard& of_this_thread();
    // For readers. Shards are deleted with the pool only.
    std::vector<const Shard*> all() const;

    // When its thread ends.
    void give_back(Shard* shard);

private:
    Shard& look_up();
    Shard* take();

    const bool recording_;
    const std::size_t statements_max_;
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::vector<Shard*> idle_;  // room for all of shards_
};

}  // namespace loadstone::telemetry
