#include "loadstone/net/internal/server_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/log.h"
#include "loadstone/net/internal/address.h"

namespace loadstone::net::internal {

namespace {

telemetry::Counter& rejected(telemetry::Registry& registry, std::string_view limit) {
    return registry.counter("loadstone_http_limit_hits_total",
                            telemetry::metric_label("limit", limit),
                            "How often a limit of the HTTP server was hit");
}

telemetry::Counter& answers(telemetry::Registry& registry, std::string_view status) {
    return registry.counter("loadstone_http_error_answers_total",
                            telemetry::metric_label("status", status),
                            "Answers with an error status");
}

RouteEntry entry_of(const Route& route, const Bulkheads& bulkheads, const HttpOptions& options,
                    telemetry::Registry& registry) {
    RouteEntry entry;
    entry.route = &route;
    auto bulkhead = bulkheads.find(route.heavy_reads ? heavy_bulkhead(route.module) : route.module);
    if (bulkhead == bulkheads.end()) bulkhead = bulkheads.find(route.module);
    if (bulkhead != bulkheads.end() && route.bulkhead) entry.bulkhead = bulkhead->second;
    const std::string name = fmt::format("{} {}", to_string(route.method), route.pattern);
    entry.label = registry.add_label(telemetry::LabelKind::route, name, route.module);
    entry.name = registry.name_of(entry.label);
    if (options.rate_limits && route.per_address_limit > 0) {
        admission::RateLimiterOptions limits;
        limits.name = name;
        limits.limit = limits.burst = static_cast<std::uint32_t>(route.per_address_limit);
        limits.period = route.per_address_period;
        limits.keys_max = options.rate_limit_keys_max;
        entry.limiter = std::make_unique<admission::RateLimiter>(limits, registry);
        entry.rate_policy_line =
            fmt::format("RateLimit-Policy: \"address\";q={};w={}\r\n", route.per_address_limit,
                        route.per_address_period.count());
    }
    return entry;
}

}  // namespace

ServerCounters::ServerCounters(telemetry::Registry& registry)
    : accepted(registry.counter("loadstone_http_connections_total", "", "Connections accepted")),
      accept_failed(registry.counter(
          "loadstone_http_accept_failures_total", "",
          "Connections that could not be accepted, for want of descriptors or memory")),
      connections_full(rejected(registry, "connections")),
      address_full(rejected(registry, "connections_per_address")),
      handshake_failed(registry.counter("loadstone_http_handshake_failures_total", "",
                                        "TLS handshakes that failed")),
      header_timeout(rejected(registry, "header_timeout")),
      body_timeout(rejected(registry, "body_timeout")),
      write_timeout(rejected(registry, "write_timeout")),
      stream_timeout(rejected(registry, "stream_timeout")),
      idle_timeout(rejected(registry, "idle_timeout")),
      malformed(registry.counter("loadstone_http_malformed_total", "",
                                 "Requests that could not be read")),
      target_too_long(rejected(registry, "target_bytes")),
      header_too_large(rejected(registry, "header")),
      body_too_large(rejected(registry, "body_bytes")),
      response_too_large(registry.counter(
          "loadstone_http_responses_too_large_total", "",
          "Answers over http.response_bytes_max, which failed instead of being sent")),
      streams_broken(registry.counter(
          "loadstone_http_streams_broken_total", "",
          "Streamed answers that broke off: not read in time, or their rest could not be made")),
      not_modified(registry.counter("loadstone_http_not_modified_total", "",
                                    "Answers 304: the client had them already")),
      rate_limited(rejected(registry, "requests_per_address")),
      cross_site(registry.counter("loadstone_http_cross_site_total", "",
                                  "Requests refused as made by another site")),
      requests_full(rejected(registry, "requests_per_connection")),
      client_errors(answers(registry, "4xx")),
      server_errors(answers(registry, "5xx")) {}

ConnectionCount::Verdict ConnectionCount::take(const std::string& address) {
    const std::lock_guard lock(mutex_);
    if (total_.load(std::memory_order_relaxed) >= limits_.connections_max) return Verdict::full;
    std::size_t& count = by_address_[network_of(address)];
    if (count >= limits_.connections_per_address_max) return Verdict::address_full;
    ++count;
    total_.fetch_add(1, std::memory_order_relaxed);
    return Verdict::taken;
}

void ConnectionCount::give_back(const std::string& address) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = by_address_.find(network_of(address));
    if (found != by_address_.end() && --found->second == 0) by_address_.erase(found);
    total_.fetch_sub(1, std::memory_order_relaxed);
}

void RefusalLog::note(const char* route, std::string_view request_id, const std::string& why) {
    const auto unsaid = throttle_.take(runtime::Clock::now());
    if (!unsaid) return;
    log::warning(
        "requests are refused",
        {{"route", route}, {"request_id", request_id}, {"error", why}, {"unsaid", *unsaid}});
}

ServerState::ServerState(HttpOptions http_options, std::vector<std::unique_ptr<Route>> http_routes,
                         const Bulkheads& bulkheads, SessionResolver session_resolver,
                         const runtime::Services& all_services, telemetry::Registry& metrics)
    : options(std::move(http_options)),
      routes(std::move(http_routes)),
      router(routes),
      sessions(std::move(session_resolver)),
      services(all_services),
      registry(metrics),
      counters(metrics),
      unmatched_label(metrics.add_label(telemetry::LabelKind::route, "unmatched", "")),
      unmatched_name(metrics.name_of(unmatched_label)),
      connections(options.limits) {
    entries.reserve(routes.size());
    for (const auto& route : routes)
        entries.push_back(entry_of(*route, bulkheads, options, metrics));
    if (options.tls_certificate.empty() != options.tls_key.empty()) {
        throw Error(Errc::invalid_argument,
                    "TLS needs both a certificate and a key, one of them is missing");
    }
    if (!options.tls_certificate.empty()) {
        tls = std::make_unique<TlsContext>(options.tls_certificate, options.tls_key);
    }
}

}  // namespace loadstone::net::internal
