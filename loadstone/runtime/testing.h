#pragma once
// For tests of this and higher libraries: to run a task from a thread that is not a loop, and to
// wait for a condition without guessing how long it takes.

#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"

namespace loadstone::runtime::testing {

inline constexpr std::chrono::seconds patience{30};

// True as soon as `condition()` is; false after `patience`.
template <class Condition>
bool wait_until(Condition condition, Deadline deadline = Deadline::in(patience)) {
    while (!condition()) {
        if (deadline.passed()) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
}

namespace internal {

template <class T>
Task<void> keep_result(Task<T> task, std::optional<T>* result, std::exception_ptr* error) {
    try {
        result->emplace(co_await std::move(task));
    } catch (...) {
        *error = std::current_exception();
    }
}

inline Task<void> keep_error(Task<void> task, std::exception_ptr* error) {
    try {
        co_await std::move(task);
    } catch (...) {
        *error = std::current_exception();
    }
}

}  // namespace internal

// Runs `task` on `executor` and gives its result, or throws its exception. Ends the program if it
// has not ended after `patience`.
template <class T>
T run_blocking(const Executor& executor, Task<T> task) {
    std::exception_ptr error;
    const auto finish = [](TaskScope& scope) {
        if (scope.join_blocking(Deadline::in(patience))) return;
        std::terminate();  // the task uses this frame: there is no way out
    };
    TaskScope scope("run_blocking");
    if constexpr (std::is_void_v<T>) {
        scope.spawn(executor, internal::keep_error(std::move(task), &error));
        finish(scope);
        if (error) std::rethrow_exception(error);
    } else {
        std::optional<T> result;
        scope.spawn(executor, internal::keep_result(std::move(task), &result, &error));
        finish(scope);
        if (error) std::rethrow_exception(error);
        return std::move(*result);
    }
}

}  // namespace loadstone::runtime::testing
