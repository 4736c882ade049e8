#include "loadstone/base/assert.h"
#include "loadstone/net/response.h"

namespace loadstone::net {

int status_of(Errc code) noexcept {
    switch (code) {
        case Errc::invalid_argument: return 422;
        case Errc::unauthenticated: return 401;
        case Errc::permission_denied: return 403;
        case Errc::not_found: return 404;
        case Errc::already_exists: return 409;
        case Errc::conflict: return 409;
        case Errc::resource_exhausted: return 429;
        case Errc::deadline_exceeded: return 504;
        case Errc::cancelled: return 503;
        case Errc::unavailable: return 503;
        case Errc::data_loss: return 500;
        case Errc::internal: return 500;
    }
    LOADSTONE_ASSERT(false, "the set of codes is closed");
    return 500;
}

}  // namespace loadstone::net
