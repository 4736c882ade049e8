#pragma once
// What SQLite's result codes are to the application.

#include <sqlite3.h>

#include <string_view>

#include "loadstone/base/error.h"

namespace loadstone::store::sqlite {

// `code` is an extended result code that is not OK, ROW or DONE; `what` is the statement or the
// step that failed; `db` may be null. INTERRUPT is for the caller: only it knows why.
Error error_of(int code, sqlite3* db, std::string_view what, std::string_view file);

constexpr int primary(int code) noexcept { return code & 0xff; }

// After these, a connection that cannot begin a transaction is closed, and opened again when
// needed.
bool wants_reopen(int code) noexcept;

}  // namespace loadstone::store::sqlite
