#pragma once
// Whom a limit counts.

#include <string_view>

namespace loadstone::net::internal {

// The address, or of an IPv6 address its /64: one host has one IPv4 address, but a /64 at least.
std::string_view network_of(std::string_view address) noexcept;

}  // namespace loadstone::net::internal
