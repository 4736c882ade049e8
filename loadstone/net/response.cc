#include "loadstone/net/response.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/net/internal/http_error.h"
#include "loadstone/net/internal/reason.h"

namespace loadstone::net {

namespace {

void append_member(std::string& json, std::string_view name, std::string_view value) {
    json += ",\"";
    json += name;
    json += "\":";
    write_json_string(json, value);
}

// RFC 9457 3.1; "about:blank" says that the title is that of the status code.
std::string problem_json(int status, std::string_view title, std::string_view detail) {
    std::string json = R"({"type":"about:blank")";
    append_member(json, "title", title);
    fmt::format_to(std::back_inserter(json), R"(,"status":{})", status);
    if (!detail.empty()) append_member(json, "detail", detail);
    return json;
}

// What a server cannot do is said in its log: the message may name files, hosts and limits, which
// are not for callers to see.
std::string detail_of(int status, const Error& error, const std::vector<Error>& errors) {
    switch (status) {
        case 500: return "the server failed; its log has the reason under request_id";
        case 503: return "the server cannot do this now; try again after Retry-After seconds";
        case 504: return "the server could not do this in time";
        default: break;
    }
    if (errors.size() < 2) return error.message();
    std::string all;
    for (const Error& item : errors) {
        if (!all.empty()) all += "; ";
        all += item.field();
        all += ": ";
        all += item.message();
    }
    return all;
}

Response problem_response(int status, std::string json, std::string_view request_id,
                          std::chrono::milliseconds retry_after) {
    append_member(json, "request_id", request_id);
    json += '}';
    Response response;
    response.status = status;
    response.content_type = "application/problem+json";
    response.body = std::move(json);
    if (status == 503 || status == 429) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after).count();
        response.set_header("Retry-After", fmt::to_string(std::max<std::int64_t>(seconds, 1)));
    }
    return response;
}

}  // namespace

namespace internal {

HttpError::HttpError(std::vector<Error> errors)
    : Error(errors.at(0)), status_(422), errors_(std::move(errors)) {}

Response problem_of(int status, const Error& error, const std::vector<Error>& errors,
                    std::string_view request_id) {
    std::string json = problem_json(status, reason_of(status), detail_of(status, error, errors));
    if (!error.field().empty() && errors.size() < 2) append_member(json, "field", error.field());
    if (!errors.empty()) {
        json += R"(,"errors":[)";
        for (const Error& item : errors) {
            if (&item != &errors.front()) json += ',';
            json += R"({"field":)";
            write_json_string(json, item.field());
            append_member(json, "message", item.message());
            json += '}';
        }
        json += ']';
    }
    return problem_response(status, std::move(json), request_id,
                            error.retry_after().value_or(std::chrono::seconds(1)));
}

}  // namespace internal

Response no_content() {
    Response response;
    response.status = 204;
    response.content_type.clear();
    return response;
}

Response text_response(std::string text, std::string_view content_type) {
    Response response;
    response.content_type = content_type;
    response.body = std::move(text);
    return response;
}

Response problem(const Error& error, std::string_view request_id) {
    std::vector<Error> errors;
    if (!error.field().empty()) errors.push_back(error);
    return internal::problem_of(status_of(error.code()), error, errors, request_id);
}

Response problem(int status, std::string_view title, std::string_view detail,
                 std::string_view request_id) {
    return problem_response(status, problem_json(status, title, detail), request_id,
                            std::chrono::seconds(1));
}

}  // namespace loadstone::net
