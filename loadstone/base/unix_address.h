#pragma once
// The address of a Unix socket.

#include <sys/un.h>

#include <string>
#include <string_view>

namespace loadstone {

// `whose` is for the error: "the admin socket". Throws Error (unavailable) where the path is longer
// than such an address can be.
sockaddr_un unix_address(const std::string& path, std::string_view whose);

}  // namespace loadstone
