#include "loadstone/runtime/context.h"

#include <fmt/core.h>

#include <atomic>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"

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

void Context::refuse_in_transaction(std::string_view call) const {
    const OpenTransaction& open = *transaction_;
    std::string at = "before its first statement";
    if (!open.statement.empty())
        at =
            fmt::format("at {} ({}:{})", open.statement, open.place.file_name(), open.place.line());
    const Error refused(Errc::internal,
                        fmt::format("{} inside a transaction of {} ({}), {}: a transaction's body "
                                    "awaits nothing but its Tx",
                                    call, span_.name, module_, at));
    static std::atomic_flag logged;
    if (!logged.test_and_set())
        log::error("something waits inside a transaction", {{"error", refused.message()}});
    throw refused;
}

const Session& Context::require_session() const {
    if (!session_) throw Error(Errc::unauthenticated, "nobody is signed in");
    return *session_;
}

}  // namespace loadstone::runtime
