#include "loadstone/runtime/context.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"

namespace loadstone::runtime {

void Context::throw_if_done(std::string_view what) const {
    if (is_cancelled()) {
        throw Error(Errc::cancelled, fmt::format("cancelled before waiting for {}", what));
    }
    const auto now = Deadline::Clock::now();
    if (now < deadline_.instant()) return;
    const auto late = std::chrono::floor<std::chrono::milliseconds>(now - deadline_.instant());
    throw Error(Errc::deadline_exceeded,
                fmt::format("the deadline passed {} ms before waiting for {}", late.count(), what));
}

const Session& Context::require_session() const {
    if (!session_) throw Error(Errc::unauthenticated, "nobody is signed in");
    return *session_;
}

}  // namespace loadstone::runtime
