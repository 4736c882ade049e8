#include "loadstone/base/unix_address.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <cstring>

#include "loadstone/base/error.h"

namespace loadstone {

sockaddr_un unix_address(const std::string& path, std::string_view whose) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw Error(Errc::unavailable,
                    fmt::format("the path of {} has {} bytes, {} are the most: {}", whose,
                                path.size(), sizeof address.sun_path - 1, path));
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

}  // namespace loadstone
