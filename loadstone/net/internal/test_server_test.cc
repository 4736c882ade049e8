#include "loadstone/net/internal/test_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <stdexcept>
#include <thread>
#include <utility>

#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

RawClient::RawClient(std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("the test client cannot connect");
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RawClient::RawClient(RawClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), buffer_(std::move(other.buffer_)) {}

RawClient::~RawClient() {
    if (socket_ >= 0) ::close(socket_);
}

void RawClient::shrink_window() {
    const int bytes = 4096;
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void RawClient::shutdown_send() { ::shutdown(socket_, SHUT_WR); }

void RawClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;  // closed: the test sees it when it receives
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

bool RawClient::read_more() {
    pollfd wanted{socket_, POLLIN, 0};
    const auto timeout = std::chrono::milliseconds(patience).count();
    if (::poll(&wanted, 1, static_cast<int>(timeout)) <= 0)
        throw std::runtime_error("the server does not answer");
    char bytes[16 * 1024];
    const ssize_t received = ::recv(socket_, bytes, sizeof bytes, 0);
    if (received <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(received));
    return true;
}

std::string RawClient::receive(bool is_head) {
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
        if (!read_more()) return std::exchange(buffer_, {});
    }
    std::size_t size = end + 4;
    const std::string length = field_of(buffer_, "Content-Length");
    if (!is_head && !length.empty()) size += std::stoul(length);
    while (buffer_.size() < size) {
        if (!read_more()) return std::exchange(buffer_, {});
    }
    std::string response = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return response;
}

std::string RawClient::receive_all() {
    while (read_more()) {
    }
    return std::exchange(buffer_, {});
}

bool RawClient::is_closed() { return receive_all().empty(); }

int status_of_response(std::string_view response) {
    int status = 0;
    if (response.size() > 12) std::from_chars(response.data() + 9, response.data() + 12, status);
    return status;
}

std::string field_of(std::string_view response, std::string_view name) {
    std::string_view head = response.substr(0, response.find("\r\n\r\n"));
    while (!head.empty()) {
        const auto end = std::min(head.find("\r\n"), head.size());
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(std::min(end + 2, head.size()));
        if (line.size() > name.size() && line[name.size()] == ':' &&
            starts_with_ignoring_case(line, name)) {
            return std::string(trimmed(line.substr(name.size() + 1)));
        }
    }
    return {};
}

std::string body_of(std::string_view response) {
    const auto end = response.find("\r\n\r\n");
    return end == std::string_view::npos ? std::string() : std::string(response.substr(end + 4));
}

TestServer::TestServer(std::function<void(Routes&)> declare, HttpOptions options, int threads,
                       SessionResolver sessions, Bulkheads bulkheads) {
    std::vector<std::unique_ptr<Route>> routes;
    Routes own("test", routes);
    declare(own);
    options.port = 0;
    loops = std::make_unique<runtime::Loops>(runtime::LoopsOptions{.threads = threads}, registry);
    server =
        std::make_unique<HttpServer>(std::move(options), std::move(routes), std::move(bulkheads),
                                     std::move(sessions), *loops, services, registry);
    loops->start();
    server->start();
}

TestServer::~TestServer() { server.reset(); }

std::string TestServer::exchange(std::string_view request) const {
    RawClient client = connect();
    client.send(request);
    return client.receive(request.starts_with("HEAD "));
}

std::uint64_t TestServer::counted(std::string_view metric) const {
    const std::string text = registry.prometheus();
    std::uint64_t value = 0;
    const auto at = text.find(fmt::format("\n{} ", metric));
    if (at == std::string::npos) return 0;
    const char* const number = text.data() + at + metric.size() + 2;
    std::from_chars(number, text.data() + text.size(), value);
    return value;
}

bool wait_until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + RawClient::patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace loadstone::net::internal
