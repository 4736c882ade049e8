#pragma once
// SentItems: what was sent on a connection and not yet answered, in order.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "loadstone/base/assert.h"

namespace loadstone::store::postgres {

class Operation;
struct Prepared;

struct SentItem {
    enum class Kind : std::uint8_t { command, prepare, query, position, sync };

    Kind kind = Kind::sync;
    bool was_skipped = false;
    bool goes_again = false;
    Operation* operation = nullptr;  // null: the batch's own, or abandoned
    std::shared_ptr<Prepared> prepared;
};

// A queue in a vector, items numbered from the connection's first.
class SentItems {
public:
    bool empty() const noexcept { return head_ == items_.size(); }
    std::size_t size() const noexcept { return items_.size() - head_; }
    SentItem& front() noexcept { return items_[head_]; }
    const SentItem& front() const noexcept { return items_[head_]; }
    const SentItem& at(std::size_t index) const noexcept { return items_[head_ + index]; }
    // The number that the next item gets.
    std::uint64_t next_number() const noexcept { return first_ + size(); }

    void push(SentItem item) { items_.push_back(std::move(item)); }
    void pop() {
        LOADSTONE_ASSERT(!empty(), "an answer belongs to what was sent");
        items_[head_].prepared.reset();
        ++head_;
        ++first_;
        if (head_ == items_.size()) {
            items_.clear();
            head_ = 0;
        } else if (head_ == compact_at) {
            items_.erase(items_.begin(), items_.begin() + compact_at);
            head_ = 0;
        }
    }
    // Null if it has been answered already.
    SentItem* find(std::uint64_t number) noexcept {
        return number < first_ || number >= next_number() ? nullptr
                                                          : &items_[head_ + (number - first_)];
    }

private:
    static constexpr int compact_at = 1024;

    std::vector<SentItem> items_;
    std::size_t head_ = 0;
    std::uint64_t first_ = 0;
};

}  // namespace loadstone::store::postgres
