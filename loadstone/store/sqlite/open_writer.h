#pragma once
// The connection that writes: WAL, every commit synced, foreign keys enforced.

#include <memory>

#include "loadstone/store/sqlite/handle.h"

namespace loadstone::store::sqlite {

// Creates the file if missing. Waits for other processes at most `busy_wait`. Errors: unavailable,
// data_loss.
std::unique_ptr<Handle> open_writer(const FileOptions& file, std::chrono::milliseconds busy_wait);

// A connection that cannot write; the file must exist.
std::unique_ptr<Handle> open_reader(const FileOptions& file);

}  // namespace loadstone::store::sqlite
