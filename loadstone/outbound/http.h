#pragma once
// HttpClient: GET over http and https (libcurl). One engine thread drives all transfers; callers
// await the answer. A service of every server.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::outbound {

struct HttpRequest {
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;  // beside Host, Accept, User-Agent
    std::size_t body_bytes_max = 1024 * 1024;                  // of the answer
};

// Any status is an answer, a redirect too: it is not followed.
struct HttpResponse {
    int status = 0;
    std::string content_type;
    std::string body;
    // Retry-After, whether it was given in seconds or as a time; a day at most.
    std::optional<std::chrono::milliseconds> retry_after;
};

struct HttpClientOptions {
    std::size_t transfers_max = 16;  // at once; more wait, within their contexts' deadlines
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds transfer_timeout{60'000};  // of one answer, whatever the deadline
    std::string user_agent = "Loadstone";
    std::string tls_ca_file;  // PEM; whom to trust instead of the system's authorities
};

// "host:port" of an http or https URL, for limits and messages. Errc::invalid_argument, without the
// URL in it: another scheme, no host, a user or password, a fragment.
std::string authority_of_url(const std::string& url);

class HttpClient {
public:
    HttpClient(const HttpClientOptions& options, telemetry::Registry& registry);
    ~HttpClient();  // stops
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // One attempt. The wait is accounted as external_host. Errors:
    //   invalid_argument    the URL, or a header that cannot be sent
    //   unavailable         not reached, a certificate that is not right, or lost before the end
    //   resource_exhausted  the answer is larger than body_bytes_max, its header than 64 KiB
    //   deadline_exceeded, cancelled    as the context says
    // Messages name host and port, never path, query or headers.
    Task<HttpResponse> get(Context& context, HttpRequest request);
    // Ends what is under way (unavailable); joins the engine. Idempotent.
    void stop();

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::outbound
