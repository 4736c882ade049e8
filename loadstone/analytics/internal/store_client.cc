#include "loadstone/analytics/internal/store_client.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "loadstone/base/unix_address.h"

namespace loadstone::analytics::internal {

namespace {

constexpr std::size_t idle_max = 8;

int connect_to(const std::string& path) {
    const sockaddr_un address = unix_address(path, "the column store's socket");
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return fd;
    const int why = errno;
    if (fd >= 0) ::close(fd);
    throw Error(Errc::unavailable, fmt::format("the column store cannot be reached at {}: {}", path,
                                               std::strerror(why)))
        .with_retry_after(std::chrono::seconds(1));
}

}  // namespace

// Closed unless it is kept: after a question that was answered whole.
class StoreClient::Connection {
public:
    explicit Connection(StoreClient& client) : client_(client), fd_(client.take()) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        if (fd_ >= 0) ::close(fd_);
    }
    int fd() const noexcept { return fd_; }
    void keep() { client_.give_back(std::exchange(fd_, -1)); }

private:
    StoreClient& client_;
    int fd_;
};

StoreClient::~StoreClient() {
    for (const int fd : idle_) ::close(fd);
}

int StoreClient::take() {
    {
        const std::lock_guard lock(mutex_);
        while (!idle_.empty()) {
            const int fd = idle_.back();
            idle_.pop_back();
            char byte = 0;  // an idle one has nothing to say: what can be read is its end
            if (::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) return fd;
            ::close(fd);
        }
    }
    return connect_to(socket_);
}

void StoreClient::give_back(int fd) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < idle_max)
        idle_.push_back(fd);
    else
        ::close(fd);
}

StoreState StoreClient::ask(FrameKind kind, std::string_view body, int timeout_ms,
                            const OnColumns& columns, const OnRows& rows) {
    Connection connection(*this);
    send_frame(connection.fd(), kind, body, timeout_ms);
    for (;;) {
        const Frame frame = receive_frame(connection.fd(), timeout_ms);
        switch (frame.kind) {
            case FrameKind::columns: {
                const Schema schema = schema_from("result", frame.body);
                if (columns) columns(schema.columns);
                break;
            }
            case FrameKind::rows:
                if (rows) rows(frame.body);
                break;
            case FrameKind::done: connection.keep(); return state_from(frame.body);
            case FrameKind::failed: connection.keep(); throw Error(error_from(frame.body));
            case FrameKind::hello:
            case FrameKind::apply:
            case FrameKind::query:
            case FrameKind::replace:
            case FrameKind::export_file:
            case FrameKind::write_file:
            case FrameKind::declare:
                throw Error(Errc::data_loss, "the column store answered with a question");
        }
    }
}

StoreState StoreClient::state(int timeout_ms) {
    return ask(FrameKind::hello, {}, timeout_ms, nullptr, nullptr);
}

StoreState StoreClient::touch(const Position& position, std::int64_t as_of, int timeout_ms) {
    std::string body;
    WireWriter to(body);
    append(to, position);
    to.integer(as_of);
    return ask(FrameKind::hello, body, timeout_ms, nullptr, nullptr);
}

StoreState StoreClient::apply(std::string_view body, int timeout_ms) {
    return ask(FrameKind::apply, body, timeout_ms, nullptr, nullptr);
}

StoreState StoreClient::replace(std::string_view body, int timeout_ms) {
    return ask(FrameKind::replace, body, timeout_ms, nullptr, nullptr);
}

StoreState StoreClient::declare(std::string_view body, int timeout_ms) {
    return ask(FrameKind::declare, body, timeout_ms, nullptr, nullptr);
}

StoreState StoreClient::export_file(std::string_view body, int timeout_ms, const OnColumns& columns,
                                    const OnRows& rows) {
    return ask(FrameKind::export_file, body, timeout_ms, columns, rows);
}

StoreState StoreClient::query(std::string_view body, int timeout_ms, const OnColumns& columns,
                              const OnRows& rows) {
    return ask(FrameKind::query, body, timeout_ms, columns, rows);
}

}  // namespace loadstone::analytics::internal
