#pragma once
// HttpError: an Error that knows its HTTP status, where the table of error_status.cc cannot (a
// body that is not JSON at all is 400, one with a wrong field 422), or that names several fields.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/net/response.h"

namespace loadstone::net::internal {

class HttpError : public Error {
public:
    HttpError(int status, Errc code, std::string message)
        : Error(code, std::move(message)), status_(status) {}
    explicit HttpError(std::vector<Error> errors);  // 422; at least one

    int status() const noexcept { return status_; }
    const std::vector<Error>& errors() const noexcept { return errors_; }

private:
    int status_;
    std::vector<Error> errors_;
};

// `errors`, if any, become the member of that name.
Response problem_of(int status, const Error& error, const std::vector<Error>& errors,
                    std::string_view request_id);

}  // namespace loadstone::net::internal
