#pragma once
// What the connections of a server share: read-only after construction, but for counters and the
// count of connections.

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loadstone/admission/rate_limiter.h"
#include "loadstone/base/log_throttle.h"
#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/router.h"
#include "loadstone/net/internal/tls.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::net::internal {

// A route with what is looked up once.
struct RouteEntry {
    const Route* route = nullptr;
    admission::Bulkhead* bulkhead = nullptr;
    std::unique_ptr<admission::RateLimiter> limiter;
    std::string rate_policy_line;  // "RateLimit-Policy: ...\r\n"
    telemetry::LabelIndex label = 0;
    const char* name = "";
};

// A counter per limit, so that each being hit shows.
struct ServerCounters {
    explicit ServerCounters(telemetry::Registry& registry);

    telemetry::Counter& accepted;
    telemetry::Counter& accept_failed;
    telemetry::Counter& connections_full;
    telemetry::Counter& address_full;
    telemetry::Counter& handshake_failed;
    telemetry::Counter& header_timeout;
    telemetry::Counter& body_timeout;
    telemetry::Counter& write_timeout;
    telemetry::Counter& stream_timeout;
    telemetry::Counter& idle_timeout;
    telemetry::Counter& malformed;         // 400, 417, 501, 505 while reading
    telemetry::Counter& target_too_long;   // 414
    telemetry::Counter& header_too_large;  // 431
    telemetry::Counter& body_too_large;    // 413
    telemetry::Counter& response_too_large;
    telemetry::Counter& streams_broken;
    telemetry::Counter& not_modified;
    telemetry::Counter& rate_limited;
    telemetry::Counter& cross_site;
    telemetry::Counter& requests_full;  // requests_per_connection_max
    telemetry::Counter& client_errors;  // answers 4xx
    telemetry::Counter& server_errors;  // answers 5xx
};

// How many connections there are, in all and from each address (an IPv6 one: its /64).
class ConnectionCount {
public:
    enum class Verdict { taken, full, address_full };

    explicit ConnectionCount(const HttpLimits& limits) : limits_(limits) {}
    Verdict take(const std::string& address);
    void give_back(const std::string& address) noexcept;
    std::size_t now() const noexcept { return total_.load(std::memory_order_relaxed); }

private:
    const HttpLimits& limits_;
    std::atomic<std::size_t> total_{0};
    std::mutex mutex_;
    std::unordered_map<std::string, std::size_t> by_address_;  // at most connections_max
};

// Says in the log why requests are refused with 503 and 504, at most once a second.
class RefusalLog {
public:
    void note(const char* route, std::string_view request_id, const std::string& why);

private:
    log::Throttle throttle_{std::chrono::seconds(1)};
};

struct ServerState {
    ServerState(HttpOptions http_options, std::vector<std::unique_ptr<Route>> http_routes,
                const Bulkheads& bulkheads, SessionResolver session_resolver,
                const runtime::Services& all_services, telemetry::Registry& metrics);

    const HttpOptions options;
    const std::vector<std::unique_ptr<Route>> routes;
    const Router router;
    const SessionResolver sessions;
    const runtime::Services& services;
    telemetry::Registry& registry;
    ServerCounters counters;
    std::vector<RouteEntry> entries;  // by index of the route
    telemetry::LabelIndex unmatched_label;
    const char* unmatched_name;
    std::unique_ptr<TlsContext> tls;
    ConnectionCount connections;
    RefusalLog refusals;
    std::atomic<bool> draining{false};
};

}  // namespace loadstone::net::internal
