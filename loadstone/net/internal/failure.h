#pragma once
// HttpFailure: why a request was refused while it was read; becomes a problem answer, after which
// the connection is closed, because what follows cannot be told apart from the rest of it.

#include <string>

namespace loadstone::net::internal {

struct HttpFailure {
    int status = 0;  // 0: none
    std::string detail;

    explicit operator bool() const noexcept { return status != 0; }
};

}  // namespace loadstone::net::internal
