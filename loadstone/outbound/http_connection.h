#pragma once
// HttpConnection: POST over http and https for threads that may block. The body is sent from where
// it is, and the answer goes to a sink as it comes: neither is held in memory whole. One request at
// a time; the connection is kept between them.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/base/function_ref.h"
#include "loadstone/outbound/http.h"

namespace loadstone::outbound {

// An http or https URL in its parts, percent-encoding of user and password decoded.
struct UrlParts {
    std::string base;       // "http://host:8123", without user and password
    std::string authority;  // "host:8123", for messages
    std::string user, password;
    std::string path;  // behind the first slash, decoded
};
// Errors: invalid_argument, without the URL in it.
UrlParts parts_of_url(const std::string& url);

// Escapes what is no letter, digit, or one of -._~ (RFC 3986 2.3).
std::string url_encoded(std::string_view text);

struct HttpPost {
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string_view body;  // borrowed
    std::chrono::milliseconds timeout{60'000};
    // Never sent twice. A request on a connection that was kept and has died meanwhile is sent
    // again by libcurl, which does not know whether the first had an effect; this one has a
    // connection of its own.
    bool is_sent_once = false;
};

struct HttpAnswer {
    int status = 0;
    std::string refusal;  // the body beside a status of 400 or more, its first 4 KiB
};

class HttpConnection {
public:
    // `stopping`, if any, ends what is under way within a second; it outlives the connection.
    explicit HttpConnection(const HttpClientOptions& options,
                            const std::atomic<bool>* stopping = nullptr);
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    // Blocks. `sink` gets the body of an answer below 400 in pieces; what it throws ends the
    // transfer and comes back. Errors: deadline_exceeded at the timeout; unavailable if the host is
    // not reached, or lost before the end of the answer: then the request may have had its effect;
    // cancelled.
    HttpAnswer post(const HttpPost& request, FunctionRef<void(std::string_view)> sink);

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::outbound
