#pragma once
// Reason phrases (RFC 9110 15, RFC 6585), which also are the titles of problems.

#include <string_view>

namespace loadstone::net::internal {

// "Status" for a code that is not listed.
std::string_view reason_of(int status) noexcept;

}  // namespace loadstone::net::internal
