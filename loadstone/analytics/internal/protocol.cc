#include "loadstone/analytics/internal/protocol.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace loadstone::analytics::internal {

namespace {

using std::chrono::steady_clock;

void wait_for(int fd, short events, steady_clock::time_point until) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
        if (left.count() <= 0)
            throw Error(Errc::deadline_exceeded, "the column store did not answer in time");
        pollfd entry{fd, events, 0};
        const int count = ::poll(&entry, 1, static_cast<int>(left.count()));
        if (count > 0) return;
        if (count < 0 && errno != EINTR)
            throw Error(Errc::unavailable, fmt::format("poll: {}", std::strerror(errno)));
    }
}

[[noreturn]] void throw_gone() {
    throw Error(Errc::unavailable, "the connection to the column store has ended")
        .with_retry_after(std::chrono::seconds(1));
}

void send_all(int fd, std::string_view bytes, steady_clock::time_point until) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN || errno == EINTR) {
            wait_for(fd, POLLOUT, until);
        } else {
            throw_gone();
        }
    }
}

void receive_all(int fd, char* at, std::size_t bytes, steady_clock::time_point until) {
    while (bytes > 0) {
        const auto got = ::recv(fd, at, bytes, MSG_DONTWAIT);
        if (got > 0) {
            at += got;
            bytes -= static_cast<std::size_t>(got);
        } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            wait_for(fd, POLLIN, until);
        } else {
            throw_gone();
        }
    }
}

}  // namespace

void append(WireWriter& to, const Position& position) {
    to.integer(position.low);
    to.integer(position.high);
    to.integer(position.seq);
}

Position read_position(WireReader& from) {
    Position position;
    position.low = from.integer();
    position.high = from.integer();
    position.seq = from.integer();
    return position;
}

std::string to_body(const StoreState& state) {
    std::string body;
    WireWriter to(body);
    to.text(state.store);
    append(to, state.position);
    to.integer(state.history);
    to.integer(state.as_of);
    to.integer(state.failed_merges);
    return body;
}

StoreState state_from(std::string_view body) {
    WireReader from(body);
    StoreState state;
    state.store = from.text();
    state.position = read_position(from);
    state.history = from.integer();
    state.as_of = from.integer();
    state.failed_merges = from.integer();
    return state;
}

std::string to_body(const Error& error) {
    std::string body;
    WireWriter to(body);
    to.byte(static_cast<std::uint8_t>(error.code()));
    to.text(error.message());
    return body;
}

Error error_from(std::string_view body) {
    WireReader from(body);
    const std::uint8_t code = from.byte();
    const bool is_known = code <= static_cast<std::uint8_t>(Errc::internal);
    return {is_known ? static_cast<Errc>(code) : Errc::internal, std::string(from.text())};
}

void send_frame(int fd, FrameKind kind, std::string_view body, int timeout_ms) {
    if (body.size() >= frame_bytes_max)
        throw Error(Errc::resource_exhausted, fmt::format("a frame of {} bytes, {} are the most",
                                                          body.size(), frame_bytes_max - 1));
    const auto until = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    const auto length = static_cast<std::uint32_t>(body.size() + 1);
    std::string head(frame_head_bytes, '\0');
    std::memcpy(head.data(), &length, sizeof length);
    head.back() = static_cast<char>(kind);
    send_all(fd, head, until);
    send_all(fd, body, until);
}

Frame receive_frame(int fd, int timeout_ms) {
    const auto until = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    char head[frame_head_bytes];
    receive_all(fd, head, sizeof head, until);
    std::uint32_t length = 0;
    std::memcpy(&length, head, sizeof length);
    if (length == 0 || length > frame_bytes_max)
        throw Error(Errc::data_loss, fmt::format("a frame of {} bytes", length));
    Frame frame;
    frame.kind = static_cast<FrameKind>(head[frame_head_bytes - 1]);
    frame.body.resize(length - 1);
    receive_all(fd, frame.body.data(), frame.body.size(), until);
    return frame;
}

}  // namespace loadstone::analytics::internal
