#pragma once
// Who has the write lock of a WAL database, without asking SQLite for it: the lock is one of POSIX
// on a byte of the file's shared memory (https://www.sqlite.org/walformat.html, "WAL Locks").

#include <optional>
#include <string>

#include "loadstone/store/inspection.h"

namespace loadstone::store::sqlite {

// As store::write_lock_holder(). REQUIRES that this process has no connection to the file: closing
// a descriptor of it drops all locks that the process has on it.
std::optional<LockHolder> write_lock_holder(const std::string& path);

}  // namespace loadstone::store::sqlite
