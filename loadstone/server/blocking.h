#pragma once
// Runs a task on loop 0 of `loops` and waits for its end; for the command line and for start-up.

#include <exception>
#include <optional>
#include <type_traits>

#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task.h"
#include "loadstone/runtime/task_scope.h"

namespace loadstone::server {

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

template <class T>
T run_blocking(runtime::Loops& loops, Task<T> task) {
    runtime::TaskScope scope("blocking");
    std::exception_ptr error;
    if constexpr (std::is_void_v<T>) {
        scope.spawn(loops.executor(0), internal::keep_error(std::move(task), &error));
        scope.join_blocking(Deadline::unbounded());
        if (error) std::rethrow_exception(error);
    } else {
        std::optional<T> result;
        scope.spawn(loops.executor(0), internal::keep_result(std::move(task), &result, &error));
        scope.join_blocking(Deadline::unbounded());
        if (error) std::rethrow_exception(error);
        return std::move(*result);
    }
}

}  // namespace loadstone::server
