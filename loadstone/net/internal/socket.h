#pragma once
// Sockets bound to a loop's own executor, which spares the type-erased one on each completion.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace loadstone::net::internal {

namespace asio = boost::asio;
using LoopExecutor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, LoopExecutor>;
using ErrorCode = boost::system::error_code;

// co_await gives a tuple of error code and result, without a coroutine of Asio's in between.
inline constexpr auto as_result = asio::as_tuple(asio::deferred);

}  // namespace loadstone::net::internal
