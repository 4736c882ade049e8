#include "loadstone/store/coalesced_writes.h"

namespace loadstone::store {

std::shared_ptr<internal::CoalescingQueue> CoalescedWrites::queue_of(
    const void* declared, internal::CoalescingQueue::Options options) {
    const std::scoped_lock lock(mutex_);
    auto& place = queues_[declared];
    if (!place) place = std::make_shared<internal::CoalescingQueue>(std::move(options), registry_);
    return place;
}

}  // namespace loadstone::store
