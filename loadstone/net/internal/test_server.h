#pragma once
// For tests (defined in test_server_test.cc, which is not part of the library): a server on real
// loops and a loopback port, and a client that speaks raw bytes.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/net/http_server.h"

namespace loadstone::net::internal {

// A raw TCP connection to 127.0.0.1. Every wait ends after `patience`.
class RawClient {
public:
    static constexpr std::chrono::seconds patience{10};

    explicit RawClient(std::uint16_t port);
    ~RawClient();
    RawClient(RawClient&& other) noexcept;
    RawClient(const RawClient&) = delete;

    void send(std::string_view bytes);
    // One response: head, and a body as Content-Length says (none for HEAD). What follows is kept
    // for the next. Empty when the server has closed.
    std::string receive(bool is_head = false);
    // Everything until the server closes.
    std::string receive_all();
    bool is_closed();  // waits for it
    void shutdown_send();
    // Makes the client's receive window small, before much is sent.
    void shrink_window();

private:
    bool read_more();

    int socket_;
    std::string buffer_;
};

// "200" of "HTTP/1.1 200 OK...".
int status_of_response(std::string_view response);
// The value of a field, empty if absent.
std::string field_of(std::string_view response, std::string_view name);
std::string body_of(std::string_view response);

struct TestServer {
    explicit TestServer(std::function<void(Routes&)> declare, HttpOptions options = {},
                        int threads = 1, SessionResolver sessions = {}, Bulkheads bulkheads = {});
    ~TestServer();

    RawClient connect() const { return RawClient(server->port()); }
    // Sends one request on a connection of its own and gives what came back until it was closed or
    // one response was complete.
    std::string exchange(std::string_view request) const;
    std::uint64_t counted(std::string_view metric) const;  // a line of /metrics begins with it

    telemetry::Registry registry;
    runtime::Services services;
    std::unique_ptr<runtime::Loops> loops;
    std::unique_ptr<HttpServer> server;
};

// Polls until it holds or `patience` is over.
bool wait_until(const std::function<bool()>& holds);

}  // namespace loadstone::net::internal
