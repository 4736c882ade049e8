#include "loadstone/net/internal/address.h"

namespace loadstone::net::internal {

std::string_view network_of(std::string_view address) noexcept {
    std::size_t groups = 0;
    for (std::size_t i = 0; i < address.size(); ++i) {
        if (address[i] != ':') continue;
        if (i + 1 < address.size() && address[i + 1] == ':') return address.substr(0, i);
        if (++groups == 4) return address.substr(0, i);
    }
    return address;
}

}  // namespace loadstone::net::internal
