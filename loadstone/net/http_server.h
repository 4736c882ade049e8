#pragma once
// HttpServer: HTTP/1.1 (RFC 9110, 9112) on every loop, strict: what is ambiguous is rejected.
// A request passes: limits -> router -> rate limit -> session and CSRF -> bulkhead -> handler.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/admission/bulkhead.h"
#include "loadstone/net/route.h"
#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/services.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::net {

struct HttpLimits {
    std::size_t header_bytes_max = 16 * 1024;
    std::size_t header_fields_max = 100;
    std::size_t target_bytes_max = 8 * 1024;
    std::size_t connections_max = 10'000;  // all loops; beyond: accepted and closed, counted
    std::size_t connections_per_address_max = 1'000;
    std::size_t requests_per_connection_max = 100'000;
    std::chrono::milliseconds header_timeout{
        10'000};  // first byte of a request to end of its header
    std::chrono::milliseconds body_timeout{30'000};
    std::chrono::milliseconds write_timeout{30'000};
    // Of all of a streamed answer of a route that is heavy on reads, which keeps its place in the
    // bulkhead until the client has taken it.
    std::chrono::milliseconds stream_timeout{1'800'000};
    std::chrono::milliseconds idle_timeout{75'000};
    // Of an answer that is built in memory; larger ones are streamed (body_stream.h), or fail.
    std::size_t response_bytes_max = 32U << 20U;
    std::size_t gzip_bytes_min = 1'024;  // JSON and text from this size, if accepted
};

struct HttpOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8080;    // 0: any free one, see HttpServer::port()
    std::string tls_certificate;  // PEM file; with tls_key: HTTPS
    std::string tls_key;
    bool rate_limits = true;
    std::size_t rate_limit_keys_max = 100'000;
    HttpLimits limits;
};

// The session of a cookie's token; nothing if unknown or expired.
using SessionResolver =
    std::function<Task<std::optional<runtime::Session>>(Context& context, std::string_view token)>;

// Which bulkhead a module's requests pass; under heavy_bulkhead(module), which those of its routes
// pass that are heavy on reads. Must outlive the server.
using Bulkheads = std::map<std::string, admission::Bulkhead*>;
std::string heavy_bulkhead(std::string_view module);

class HttpServer {
public:
    // Routes with the same method and an overlapping pattern are a bug (throws invalid_argument).
    HttpServer(HttpOptions options, std::vector<std::unique_ptr<Route>> routes, Bulkheads bulkheads,
               SessionResolver sessions, runtime::Loops& loops, const runtime::Services& services,
               telemetry::Registry& registry);
    ~HttpServer();

    // Binds and listens, so that clients queue; Error unavailable names address and reason.
    void listen();
    // Serves; listens first if that has not been done.
    void start();
    std::uint16_t port() const noexcept;
    // Stops accepting, answers what is under way with Connection: close, closes idle connections;
    // true if all ended before the deadline. Blocking, from outside the loops.
    bool drain(runtime::Deadline deadline);

    // OpenAPI 3.1 of the routes. `is_tls` decides what the session cookie is called.
    static std::string openapi(const std::vector<std::unique_ptr<Route>>& routes,
                               std::string_view title, std::string_view version, bool is_tls);

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::net
