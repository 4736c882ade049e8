// Replaces the global operator new and delete: malloc and free, counted per thread.

#include "loadstone/telemetry/internal/allocation_count.h"

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace loadstone::telemetry {

constinit thread_local AllocationCount allocation_count;

}  // namespace loadstone::telemetry

#if LOADSTONE_COUNTS_ALLOCATIONS
namespace {

void count(std::size_t size) noexcept {
    auto& counts = loadstone::telemetry::allocation_count;
    ++counts.count;
    counts.bytes += size;
}

// Asks the new_handler to find memory; throws if there is none.
void make_room() {
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
}

void* allocate(std::size_t size) {
    count(size);
    void* block = std::malloc(size == 0 ? 1 : size);
    while (block == nullptr) {
        make_room();
        block = std::malloc(size == 0 ? 1 : size);
    }
    return block;
}

// aligned_alloc takes multiples of the alignment only.
void* allocate(std::size_t size, std::align_val_t alignment) {
    count(size);
    const auto step = static_cast<std::size_t>(alignment);
    if (size > std::numeric_limits<std::size_t>::max() - step) throw std::bad_alloc();
    const std::size_t rounded = size == 0 ? step : (size + step - 1) / step * step;
    void* block = std::aligned_alloc(step, rounded);
    while (block == nullptr) {
        make_room();
        block = std::aligned_alloc(step, rounded);
    }
    return block;
}

template <class... Alignment>
void* allocate_or_null(std::size_t size, Alignment... alignment) noexcept {
    try {
        return allocate(size, alignment...);
    } catch (...) {
        return nullptr;
    }
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, alignment);
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate_or_null(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate_or_null(size, alignment);
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept {
    std::free(block);
}
#endif
