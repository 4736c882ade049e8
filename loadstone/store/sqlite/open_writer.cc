#include "loadstone/store/sqlite/open_writer.h"

#include <fmt/core.h>

#include <thread>

#include "loadstone/base/error.h"
#include "loadstone/store/sqlite/errors.h"

namespace loadstone::store::sqlite {

namespace {

// Changing the mode takes an exclusive lock for which SQLite does not always call the busy
// handler.
void set_wal(Handle& handle, std::chrono::milliseconds busy_wait) {
    const auto give_up = std::chrono::steady_clock::now() + busy_wait;
    int code = handle.control("pragma journal_mode = wal", busy_wait);
    while (primary(code) == SQLITE_BUSY && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        code = handle.control("pragma journal_mode = wal");
    }
    if (code != SQLITE_OK) throw error_of(code, handle.db(), "open", handle.file().path);
    const auto mode = handle.text("pragma journal_mode");
    if (mode != "wal") {
        throw Error(Errc::unavailable,
                    fmt::format("{}: journal mode is {} where wal is needed; the file system lacks "
                                "shared memory or locks",
                                handle.file().path, mode.value_or("unknown")));
    }
}

}  // namespace

std::unique_ptr<Handle> open_writer(const FileOptions& file, std::chrono::milliseconds busy_wait) {
    auto handle = std::make_unique<Handle>(file, Access::read_write);
    set_wal(*handle, busy_wait);
    handle->require("pragma synchronous = full");
    handle->require("pragma foreign_keys = on");
    handle->require("pragma cache_size = -32000");
    handle->require("pragma wal_autocheckpoint = 0");  // the writer says when
    // How large the log may stay after it was emptied.
    handle->require("pragma journal_size_limit = 67108864");
    return handle;
}

std::unique_ptr<Handle> open_reader(const FileOptions& file) {
    auto handle = std::make_unique<Handle>(file, Access::read_only);
    handle->require("pragma query_only = on");
    handle->require("pragma cache_size = -8000");
    return handle;
}

}  // namespace loadstone::store::sqlite
