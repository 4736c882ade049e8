#pragma once
// Tests wait for what they expect, never for a time.

#include <chrono>
#include <functional>
#include <thread>

namespace tests {

// Whether `condition` came true within `patience`. It is asked every few milliseconds.
inline bool wait_until(const std::function<bool()>& condition,
                       std::chrono::milliseconds patience = std::chrono::seconds(10)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) return condition();
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace tests
