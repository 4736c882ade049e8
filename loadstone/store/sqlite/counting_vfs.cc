#include "loadstone/store/sqlite/counting_vfs.h"

#include <fmt/core.h>

#include "loadstone/base/assert.h"

namespace loadstone::store::sqlite {

CountingVfs::CountingVfs(telemetry::Counter& fsyncs)
    : fsyncs_(&fsyncs),
      real_(sqlite3_vfs_find(nullptr)),
      name_(fmt::format("loadstone-{}", static_cast<const void*>(this))),
      vfs_{*real_, this},
      mutex_(sqlite3_mutex_alloc(SQLITE_MUTEX_FAST)) {
    vfs_.base.pNext = nullptr;
    vfs_.base.zName = name_.c_str();
    vfs_.base.xOpen = &CountingVfs::open;
    const int code = sqlite3_vfs_register(&vfs_.base, 0);
    LOADSTONE_ASSERT(code == SQLITE_OK, "a VFS with a name can be registered");
}

CountingVfs::~CountingVfs() {
    sqlite3_vfs_unregister(&vfs_.base);
    sqlite3_mutex_free(mutex_);
}

int CountingVfs::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out) {
    CountingVfs& self = *reinterpret_cast<Vfs*>(vfs)->self;
    // The real one is called with itself: it looks at its own pAppData.
    const int code = self.real_->xOpen(self.real_, path, file, flags, out);
    if (code != SQLITE_OK || file->pMethods == nullptr) return code;
    if (const CountedMethods* table = self.counted(file->pMethods))
        file->pMethods = &table->methods;
    return code;
}

const CountingVfs::CountedMethods* CountingVfs::counted(const sqlite3_io_methods* real) noexcept {
    sqlite3_mutex_enter(mutex_);
    const CountedMethods* found = nullptr;
    for (CountedMethods& table : tables_) {
        if (table.real == nullptr) {
            table.methods = *real;
            table.methods.xSync = &CountingVfs::sync;
            table.fsyncs = fsyncs_;
            table.real = real;
        }
        if (table.real == real) {
            found = &table;
            break;
        }
    }
    sqlite3_mutex_leave(mutex_);
    return found;
}

int CountingVfs::sync(sqlite3_file* file, int flags) {
    const auto* table = reinterpret_cast<const CountedMethods*>(file->pMethods);
    table->fsyncs->add();
    return table->real->xSync(file, flags);
}

}  // namespace loadstone::store::sqlite
