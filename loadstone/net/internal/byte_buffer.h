#pragma once
// ByteBuffer: bytes that grow by doubling and are not zeroed first, for bodies as they arrive.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace loadstone::net::internal {

class ByteBuffer {
public:
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    std::string_view view() const noexcept { return {data_.get(), size_}; }

    void clear() noexcept { size_ = 0; }
    void release() noexcept {
        data_.reset();
        size_ = capacity_ = 0;
    }
    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        reserve(size_ + bytes.size());
        std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
    }
    // Room for at least one and at most `max` > 0 further bytes; add() says how many came.
    std::span<char> room(std::size_t max) {
        if (size_ == capacity_) reserve(size_ + std::min(max, std::max(size_, capacity_min)));
        return {data_.get() + size_, std::min(max, capacity_ - size_)};
    }
    void add(std::size_t count) noexcept { size_ += count; }

private:
    static constexpr std::size_t capacity_min = 4096;

    void reserve(std::size_t needed) {
        if (needed <= capacity_) return;
        const std::size_t capacity = std::max({needed, capacity_ * 2, capacity_min});
        std::unique_ptr<char[]> grown(new char[capacity]);
        if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
        data_ = std::move(grown);
        capacity_ = capacity;
    }

    std::unique_ptr<char[]> data_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace loadstone::net::internal
