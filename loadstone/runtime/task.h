#pragma once
// Task<T>: a coroutine that runs on the executor it was spawned on. It is boost::asio::awaitable,
// so every Asio operation can be awaited in it (docs/decisions: asio awaitable and attribution).
// Name before await: no capturing lambda, braced temporary or ternary inside a co_await
// expression.

#include <boost/asio/awaitable.hpp>

namespace loadstone::runtime {

template <class T = void>
using Task = boost::asio::awaitable<T>;

// Where a task runs. Copyable, cheap, comparable.
using Executor = boost::asio::any_io_executor;

}  // namespace loadstone::runtime

namespace loadstone {
using runtime::Task;
}
