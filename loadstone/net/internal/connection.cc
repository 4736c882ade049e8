// Bytes in and out, deadlines, and the order of things. What a request means is in exchange.cc.

#include "loadstone/net/internal/connection.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/net/body_stream.h"
#include "loadstone/net/internal/address.h"
#include "loadstone/net/internal/response_head.h"

namespace loadstone::net::internal {

namespace {

// A body up to this size is copied behind the head, so that one plain send does.
constexpr std::size_t body_copied_max = 4096;
constexpr std::size_t stream_piece_bytes = 64 * 1024;
constexpr std::size_t kept_max = 8 * 1024;  // of a response's buffers, while it is idle
// While the server stops: what a client may take that sends or reads slowly.
constexpr std::chrono::milliseconds client_wait_max{2'000};
// What a client may still send before its answer's end, and for how long.
constexpr std::size_t linger_bytes_max = 256 * 1024;
constexpr std::chrono::milliseconds linger_timeout{1'000};

// RFC 9112 7.1: "SIZE CRLF" bytes "CRLF", the size in hexadecimal digits; one of size 0 is the
// last.
constexpr std::size_t chunk_head_max = 8;
constexpr std::string_view chunk_tail = "\r\n";
static_assert(stream_piece_bytes <= 0xf'ffff);

// The chunk of `bytes` at the start of `space`, which has room for its lines around it.
std::string_view chunk_around(std::span<char> space, std::size_t bytes) {
    std::array<char, chunk_head_max + 1> head{};
    const auto end = fmt::format_to_n(head.data(), chunk_head_max, "{:x}\r\n", bytes);
    char* const begin = space.data() - end.size;
    std::copy_n(head.data(), end.size, begin);
    std::copy(chunk_tail.begin(), chunk_tail.end(), space.data() + bytes);
    return {begin, end.size + bytes + chunk_tail.size()};
}

}  // namespace

Connection::Connection(LoopState& loop, Socket socket, std::string address)
    : loop_(loop),
      server_(loop.server),
      limits_(loop.server.options.limits),
      socket_(std::move(socket)),
      address_(std::move(address)),
      network_(network_of(address_)),
      reader_(limits_) {
    if (server_.tls != nullptr) tls_ = std::make_unique<TlsStream>(*server_.tls, socket_);
    loop_.connections.add(*this);
}

Connection::~Connection() {
    loop_.connections.remove(*this);
    server_.connections.give_back(address_);
}

void Connection::wait_for(Waiting what, std::chrono::milliseconds timeout) noexcept {
    waiting_ = what;
    timed_out_ = false;
    if (server_.draining.load(std::memory_order_relaxed))
        timeout = std::min(timeout, client_wait_max);
    // The clock is that of the last tick, up to one tick ago.
    due_ms_ = loop_.now_ms() + timeout.count() + LoopState::tick.count();
}

void Connection::wait_is_over() noexcept {
    waiting_ = Waiting::nothing;
    due_ms_ = 0;
}

void Connection::end_if_due(std::int64_t now_ms) {
    if (due_ms_ == 0 || now_ms < due_ms_) return;
    // At each tick until the wait is over: a cancel that comes just before it begins is lost.
    ErrorCode ignored;
    socket_.cancel(ignored);
    if (std::exchange(timed_out_, true)) return;
    ServerCounters& counters = server_.counters;
    switch (waiting_) {
        case Waiting::first:
        case Waiting::idle: counters.idle_timeout.add(); break;
        case Waiting::header: counters.header_timeout.add(); break;
        case Waiting::body: counters.body_timeout.add(); break;
        case Waiting::write: counters.write_timeout.add(); break;
        case Waiting::nothing:
        case Waiting::close: break;
    }
}

void Connection::drain() {
    if (waiting_ == Waiting::nothing) return;
    if (waiting_ != Waiting::idle && waiting_ != Waiting::first) {
        due_ms_ = std::min(due_ms_, loop_.now_ms() + client_wait_max.count());
        return;
    }
    ErrorCode ignored;
    socket_.cancel(ignored);
}

void Connection::abort() {
    aborted_ = true;
    if (context_) context_->cancel();
    if (stream_context_ != nullptr) stream_context_->cancel();
    ErrorCode ignored;
    socket_.cancel(ignored);
    socket_.shutdown(Socket::shutdown_both, ignored);
}

Task<bool> Connection::handshake() {
    wait_for(Waiting::header, limits_.header_timeout);
    const ErrorCode error = co_await tls_->handshake();
    wait_is_over();
    if (error) server_.counters.handshake_failed.add();
    co_return !error;
}

Task<void> Connection::run() {
    bool goes_on = true;
    if (tls_ != nullptr) goes_on = co_await handshake();
    while (goes_on && !aborted_) {
        begin_request();
        auto step = reader_.read_head();
        while (step == RequestReader::Step::need_more) {
            if (!reader_.is_empty()) {
                // From the first byte of a header to its end: more bytes do not prolong it.
                if (waiting_ != Waiting::header) wait_for(Waiting::header, limits_.header_timeout);
            } else if (server_.draining.load(std::memory_order_relaxed)) {
                break;
            } else if (requests_ == 0) {
                wait_for(Waiting::first, std::min(limits_.header_timeout, limits_.idle_timeout));
            } else {
                wait_for(Waiting::idle, limits_.idle_timeout);
            }
            const auto space = reader_.space();
            std::size_t bytes = 0;
            if (tls_ == nullptr) {
                const auto buffer = asio::buffer(space.data(), space.size());
                bytes = std::get<1>(co_await socket_.async_read_some(buffer, as_result));
            } else {
                bytes = co_await read_some(space);
            }
            if (bytes == 0) break;
            reader_.commit(bytes);
            step = reader_.read_head();
        }
        wait_is_over();
        if (step == RequestReader::Step::need_more) {
            if (!timed_out_ || reader_.is_empty()) break;  // gone, or idle for too long
            const HttpFailure failure{408, "the request header did not arrive in time"};
            choose_request_id();
            refuse(failure);
        } else if (step == RequestReader::Step::failed) {
            choose_request_id();
            refuse(reader_.failure());
        } else {
            head_read_ = true;
            if (admit()) co_await answer();
        }
        if (gone_ || aborted_) {
            record();
            break;
        }
        complete_response();
        Written written = Written::some;
        if (tls_ == nullptr) written = write_now();
        record();
        if (written == Written::some) goes_on = co_await write_rest();
        goes_on = goes_on && written != Written::failed;
        if (goes_on && sends_body_ && response_.stream) goes_on = co_await write_stream();
        goes_on = goes_on && !closes_;
        response_.stream.reset();
        stream_permit_.reset();
        if (head_.capacity() > kept_max) std::string().swap(head_);
        if (response_.body.capacity() > kept_max) std::string().swap(response_.body);
    }
    if (!gone_ && !aborted_ && !timed_out_ && tls_ != nullptr) {
        wait_for(Waiting::close, linger_timeout);
        co_await tls_->shutdown();
    }
    if (closes_ && !gone_ && (lingers_ || has_unread_input())) co_await linger();
    wait_is_over();
}

Task<std::size_t> Connection::read_some(std::span<char> space) {
    if (tls_ == nullptr) {
        const auto buffer = asio::buffer(space.data(), space.size());
        const auto [error, bytes] = co_await socket_.async_read_some(buffer, as_result);
        co_return error ? 0 : bytes;
    }
    const auto [error, bytes] = co_await tls_->read_some(space);
    co_return error ? 0 : bytes;
}

Task<RequestReader::Step> Connection::read_body() {
    auto step = RequestReader::Step::need_more;
    if (reader_.head().expects_continue) {
        wait_for(Waiting::write, limits_.write_timeout);
        gone_ = !co_await write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    wait_for(Waiting::body, limits_.body_timeout);
    while (step == RequestReader::Step::need_more && !gone_) {
        const auto space = reader_.space();
        const std::size_t bytes = co_await read_some(space);
        if (bytes > 0) {
            reader_.commit(bytes);
            step = reader_.read_body();
        } else if (timed_out_) {
            break;
        } else {
            gone_ = true;
        }
    }
    wait_is_over();
    if (step == RequestReader::Step::need_more && !gone_) {
        const HttpFailure failure{408, "the request body did not arrive in time"};
        refuse(failure);
    }
    co_return step;
}

Task<bool> Connection::write(std::string_view bytes) {
    if (tls_ != nullptr) {
        const ErrorCode error = co_await tls_->write(bytes);
        co_return !error;
    }
    const auto buffer = asio::buffer(bytes);
    const auto [error, written] = co_await asio::async_write(socket_, buffer, as_result);
    static_cast<void>(written);
    co_return !error;
}

void Connection::complete_response() {
    prepare_response();
    sent_ = 0;
    rest_ = {};
    if (!sends_body_) return;
    if (response_.body.size() <= body_copied_max) {
        head_ += response_.body;
    } else {
        rest_ = response_.body;
    }
}

Connection::Written Connection::write_now() {
    ssize_t sent = 0;
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    if (rest_.empty()) {
        sent = ::send(socket_.native_handle(), head_.data(), head_.size(), flags);
    } else {
        std::array<iovec, 2> parts{iovec{head_.data(), head_.size()},
                                   iovec{const_cast<char*>(rest_.data()), rest_.size()}};
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        sent = ::sendmsg(socket_.native_handle(), &message, flags);
    }
    if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Written::some;
        gone_ = true;
        return Written::failed;
    }
    sent_ = static_cast<std::size_t>(sent);
    return sent_ == head_.size() + rest_.size() ? Written::all : Written::some;
}

Task<bool> Connection::write_rest() {
    wait_for(Waiting::write, limits_.write_timeout);
    bool is_written = true;
    if (sent_ < head_.size()) {
        is_written = co_await write(std::string_view(head_).substr(sent_));
        sent_ = head_.size();
    }
    if (is_written && !rest_.empty())
        is_written = co_await write(rest_.substr(sent_ - head_.size()));
    write_is_over(is_written);
    co_return is_written;
}

void Connection::write_is_over(bool is_written) {
    wait_is_over();
    gone_ = !is_written;
    // The kernel would go on offering what it holds to a client that does not take it.
    if (timed_out_) reset();
}

void Connection::reset() {
    ErrorCode ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);  // its destructor would take the option back
}

Task<bool> Connection::write_stream() {
    const std::uint64_t size = response_.stream->size();
    const bool has_size = size != BodyStream::unknown;
    const bool is_chunked = !has_size && is_chunked_;
    std::uint64_t left = size;
    // A piece stands between room for the line before a chunk and for the one behind it.
    std::vector<char> piece(
        chunk_head_max + chunk_tail.size() +
        static_cast<std::size_t>(std::min<std::uint64_t>(stream_piece_bytes, left)));
    const auto space =
        std::span(piece).subspan(chunk_head_max, piece.size() - chunk_head_max - chunk_tail.size());
    const Deadline end =
        stream_permit_ ? Deadline::in(limits_.stream_timeout) : Deadline::unbounded();
    bool ended = left == 0;
    std::optional<Error> broken;
    while (!ended && !broken && !gone_ && !aborted_) {
        const Result<std::size_t> bytes = co_await read_stream(space, end);
        if (!bytes) {
            broken = bytes.error();
            break;
        }
        std::string_view text(space.data(), *bytes);
        if (is_chunked) text = chunk_around(space, *bytes);
        wait_for(Waiting::write, limits_.write_timeout);
        const bool is_written = co_await write(text);
        if (timed_out_)
            broken = Error(Errc::deadline_exceeded,
                           "the client did not take a piece within http.write_timeout_ms");
        write_is_over(is_written);
        left -= *bytes;
        ended = is_written && (has_size ? left == 0 : *bytes == 0);
    }
    const bool was_slow = timed_out_ || end.passed();
    if (broken) break_off(*broken, was_slow ? log::Level::warning : log::Level::error);
    // What is missing shows to the client by the connection's end.
    if (!ended) gone_ = true;
    co_return ended;
}

Task<Result<std::size_t>> Connection::read_stream(std::span<char> space, Deadline end) {
    if (end.passed()) {
        server_.counters.stream_timeout.add();
        co_return failure(Errc::deadline_exceeded,
                          "the client did not take all of it within http.stream_timeout_ms");
    }
    std::optional<Error> failed;
    std::size_t bytes = 0;
    Context reading(server_.services, Deadline::in(limits_.write_timeout).sooner(end));
    reading.set_module(entry_->route->module);
    reading.reading() = context_->reading();
    stream_context_ = &reading;
    try {
        bytes = co_await response_.stream->read(reading, space);
    } catch (...) {
        failed = error_from_exception(std::current_exception());
    }
    stream_context_ = nullptr;
    context_->reading() = reading.reading();  // the next piece sees no less
    if (failed) co_return tl::unexpected(*failed);
    const bool has_size = response_.stream->size() != BodyStream::unknown;
    if (bytes == 0 && has_size) co_return failure(Errc::data_loss, "it is shorter than it said");
    co_return bytes;
}

void Connection::break_off(const Error& why, log::Level level) {
    server_.counters.streams_broken.add();
    log::write(level, "an answer broke off",
               {{"route", context_->span().name}, {"request_id", id()}, {"error", why.message()}});
    const bool has_size = response_.stream->size() != BodyStream::unknown;
    // Where the end of the connection is the end of the body, it must not look like one.
    if (!has_size && !is_chunked_) reset();
}

bool Connection::has_unread_input() {
    ErrorCode error;
    return !reader_.is_empty() || (socket_.available(error) > 0 && !error);
}

Task<void> Connection::linger() {
    wait_for(Waiting::close, linger_timeout);
    ErrorCode ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    std::array<char, 4096> dropped;
    std::size_t total = 0;
    while (total < linger_bytes_max && !timed_out_ && !aborted_) {
        const auto buffer = asio::buffer(dropped);
        const auto [error, bytes] = co_await socket_.async_read_some(buffer, as_result);
        if (error) break;
        total += bytes;
    }
}

}  // namespace loadstone::net::internal
