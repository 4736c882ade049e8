#pragma once
// Whom a limit counts.

#include <string>
#include <string_view>

namespace loadstone::net::internal {

// The address, or of an IPv6 address its /64 in hex: one host has one IPv4 address, but a /64 at
// least.
std::string network_of(const std::string& address);

}  // namespace loadstone::net::internal
