#include "loadstone/store/sqlite/wal_index.h"

namespace loadstone::store::sqlite {

namespace {

constexpr int region_size = 32'768;  // WALINDEX_PGSZ: what SQLite maps at a time

}  // namespace

WalIndex::WalIndex(sqlite3* db) {
    sqlite3_file* file = nullptr;
    const int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK || file == nullptr || file->pMethods == nullptr) return;
    if (file->pMethods->iVersion < 2 || file->pMethods->xShmMap == nullptr) return;
    void volatile* region = nullptr;
    if (file->pMethods->xShmMap(file, 0, region_size, 0, &region) != SQLITE_OK) return;
    header_ = const_cast<const std::uint32_t*>(static_cast<std::uint32_t volatile*>(region));
}

WalIndex::Version WalIndex::version() const noexcept {
    Version version{};
    for (std::size_t i = 0; i < header_words; ++i) {
        version[i] = __atomic_load_n(header_ + i, __ATOMIC_ACQUIRE);
    }
    return version;
}

}  // namespace loadstone::store::sqlite
