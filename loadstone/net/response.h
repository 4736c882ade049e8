#pragma once
// Response and Reply<T>: what a handler returns. Reply<T, Status> carries a described struct, so
// that the body's schema stands in /openapi.json; Response is anything else.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"

namespace loadstone::net {

class BodyStream;

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    std::shared_ptr<BodyStream> stream{};  // instead of `body` (body_stream.h)

    Response& set_header(std::string name, std::string value) {
        headers.emplace_back(std::move(name), std::move(value));
        return *this;
    }
};

template <class T, int Status = 200>
struct Reply {
    T body;
    std::vector<std::pair<std::string, std::string>> headers{};
};

Response no_content();
Response text_response(std::string text,
                       std::string_view content_type = "text/plain; charset=utf-8");
// Nothing larger than `bytes_max` is made: with more than that the answer fails (HttpLimits).
template <class T>
Response json_response(int status, const T& value, std::size_t bytes_max = std::string::npos) {
    Response response;
    response.status = status;
    response.body.reserve(256);  // most answers, in one allocation
    write_json(response.body, type_info<T>(), &value, bytes_max);
    return response;
}
// RFC 9457 problem details: type, title, status, detail, and where known field, request_id.
Response problem(const Error& error, std::string_view request_id);
Response problem(int status, std::string_view title, std::string_view detail,
                 std::string_view request_id);

// The one table from Errc to HTTP status (error_status.cc).
int status_of(Errc code) noexcept;

}  // namespace loadstone::net

namespace loadstone {
using net::Reply;
using net::Response;
}  // namespace loadstone
