#pragma once
// CountingVfs: the default VFS with fsyncs counted. Registered under a name of its own while it
// lives; files are opened through it with sqlite3_open_v2(..., name()), and are closed before it
// goes.

#include <sqlite3.h>

#include <array>
#include <string>

#include "loadstone/telemetry/registry.h"

namespace loadstone::store::sqlite {

class CountingVfs {
public:
    explicit CountingVfs(telemetry::Counter& fsyncs);
    ~CountingVfs();
    CountingVfs(const CountingVfs&) = delete;
    CountingVfs& operator=(const CountingVfs&) = delete;

    const char* name() const noexcept { return name_.c_str(); }

private:
    // A method table of the real VFS with xSync replaced; what a file's pMethods points to.
    struct CountedMethods {
        sqlite3_io_methods methods;  // first: a file's pMethods is this struct
        const sqlite3_io_methods* real = nullptr;
        telemetry::Counter* fsyncs = nullptr;
    };
    struct Vfs {
        sqlite3_vfs base;  // first: SQLite's pointer to it is a pointer to this struct
        CountingVfs* self = nullptr;
    };

    static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out);
    static int sync(sqlite3_file* file, int flags);
    const CountedMethods* counted(const sqlite3_io_methods* real) noexcept;

    telemetry::Counter* fsyncs_;
    sqlite3_vfs* real_;
    std::string name_;
    Vfs vfs_;
    // The unix VFS has a table for each locking style; a database uses one or two.
    std::array<CountedMethods, 4> tables_{};
    sqlite3_mutex* mutex_;
};

}  // namespace loadstone::store::sqlite
