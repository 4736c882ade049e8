#include "loadstone/net/internal/address.h"

#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <span>

#include "loadstone/base/encoding.h"

namespace loadstone::net::internal {

std::string network_of(const std::string& address) {
    // Its bytes, because one /64 has many spellings; without the zone of "fe80::1%eth0".
    std::array<std::byte, sizeof(in6_addr)> bytes{};
    const std::string text = address.substr(0, address.find('%'));
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return address;
    return to_hex(std::span(bytes).first(8));
}

}  // namespace loadstone::net::internal
