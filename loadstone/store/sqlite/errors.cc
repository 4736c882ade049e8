#include "loadstone/store/sqlite/errors.h"

#include <fmt/core.h>

#include <string>

namespace loadstone::store::sqlite {

namespace {

constexpr std::chrono::seconds retry_after{1};

Error unavailable(std::string message) {
    return Error(Errc::unavailable, std::move(message)).with_retry_after(retry_after);
}

Error constraint(int code, std::string_view text, std::string_view what) {
    const bool taken = code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
                       code == SQLITE_CONSTRAINT_ROWID;
    return Error(taken ? Errc::already_exists : Errc::conflict, fmt::format("{}: {}", what, text));
}

}  // namespace

Error error_of(int code, sqlite3* db, std::string_view what, std::string_view file) {
    // The connection's text belongs to its last call; elsewhere the code's own is the better one.
    const bool same = db != nullptr && sqlite3_extended_errcode(db) == code;
    const std::string text = same ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    switch (primary(code)) {
        case SQLITE_CONSTRAINT: return constraint(code, text, what);
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return unavailable(fmt::format("{}: {} is locked by another process", what, file));
        case SQLITE_FULL: return unavailable(fmt::format("{}: the disk of {} is full", what, file));
        case SQLITE_IOERR:
            return unavailable(fmt::format("{}: I/O error {} on {}", what, code, file));
        case SQLITE_CANTOPEN:
            return unavailable(fmt::format("{}: cannot open {}: {}", what, file, text));
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_PROTOCOL: return unavailable(fmt::format("{}: {}: {}", what, file, text));
        case SQLITE_NOMEM: return unavailable(fmt::format("{}: out of memory", what));
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return Error(Errc::data_loss, fmt::format("{}: {} is corrupt: {}", what, file, text));
        case SQLITE_TOOBIG: return Error(Errc::invalid_argument, fmt::format("{}: {}", what, text));
        case SQLITE_MISMATCH: return Error(Errc::data_loss, fmt::format("{}: {}", what, text));
        default: return Error(Errc::internal, fmt::format("{}: {} (code {})", what, text, code));
    }
}

bool wants_reopen(int code) noexcept {
    switch (primary(code)) {
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_PROTOCOL:
        case SQLITE_READONLY: return true;
        default: return false;
    }
}

}  // namespace loadstone::store::sqlite
