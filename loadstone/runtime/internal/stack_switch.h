#pragma once
// StackSwitch: tells the sanitizers, if the program is built with one, which stack runs. Nothing
// otherwise.

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOADSTONE_ASAN_STACKS 1
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_feature(thread_sanitizer)
#define LOADSTONE_TSAN_STACKS 1
#include <sanitizer/tsan_interface.h>
#endif
#endif

namespace loadstone::runtime::internal {

#if defined(LOADSTONE_ASAN_STACKS)

class StackSwitch {
public:
    void leave_outside(const void* bottom, std::size_t bytes) noexcept {
        __sanitizer_start_switch_fiber(&outside_fake_, bottom, bytes);
    }
    void arrived_outside() noexcept {
        __sanitizer_finish_switch_fiber(outside_fake_, nullptr, nullptr);
    }
    void leave_inside() noexcept {
        __sanitizer_start_switch_fiber(&inside_fake_, outside_bottom_, outside_bytes_);
    }
    void arrived_inside() noexcept {
        __sanitizer_finish_switch_fiber(inside_fake_, &outside_bottom_, &outside_bytes_);
    }

private:
    void* outside_fake_ = nullptr;
    void* inside_fake_ = nullptr;
    const void* outside_bottom_ = nullptr;
    std::size_t outside_bytes_ = 0;
};

#elif defined(LOADSTONE_TSAN_STACKS)

class StackSwitch {
public:
    StackSwitch() : inside_(__tsan_create_fiber(0)) {}
    ~StackSwitch() { __tsan_destroy_fiber(inside_); }
    StackSwitch(const StackSwitch&) = delete;
    StackSwitch& operator=(const StackSwitch&) = delete;

    void leave_outside(const void* /*bottom*/, std::size_t /*bytes*/) noexcept {
        outside_ = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(inside_, 0);
    }
    void arrived_outside() noexcept {}
    void leave_inside() noexcept { __tsan_switch_to_fiber(outside_, 0); }
    void arrived_inside() noexcept {}

private:
    void* inside_;
    void* outside_ = nullptr;
};

#else

class StackSwitch {
public:
    void leave_outside(const void* /*bottom*/, std::size_t /*bytes*/) noexcept {}
    void arrived_outside() noexcept {}
    void leave_inside() noexcept {}
    void arrived_inside() noexcept {}
};

#endif

}  // namespace loadstone::runtime::internal
