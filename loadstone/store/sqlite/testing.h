#pragma once
// For tests of the store: a SQLite database in a folder of its own with loops that run, and a VFS
// whose fsyncs and writes can be held up or made to fail.

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/testing.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/database.h"

namespace loadstone::store::testing {

using runtime::testing::run_blocking;
using runtime::testing::wait_until;

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "store-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string file(const char* name) const { return (path_ / name).string(); }
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

// The default VFS for files that are opened while it lives; one at a time. An fsync can be held
// until it is let go; fsyncs and writes can be made to fail with a result code.
class FaultyVfs {
public:
    FaultyVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
        vfs_.pNext = nullptr;
        vfs_.zName = "faulty";
        vfs_.xOpen = &FaultyVfs::open;
        current_ = this;
        sqlite3_vfs_register(&vfs_, 1);
    }
    ~FaultyVfs() {
        release_syncs();
        sqlite3_vfs_unregister(&vfs_);
        current_ = nullptr;
    }
    FaultyVfs(const FaultyVfs&) = delete;
    FaultyVfs& operator=(const FaultyVfs&) = delete;

    void hold_syncs() { held_ = true; }
    void release_syncs() {
        {
            const std::scoped_lock lock(mutex_);
            held_ = false;
        }
        changed_.notify_all();
    }

    std::atomic<int> syncs_held{0};
    std::atomic<int> sync_code{SQLITE_OK};
    std::atomic<int> write_code{SQLITE_OK};

private:
    struct Methods {
        sqlite3_io_methods methods;
        const sqlite3_io_methods* real = nullptr;
    };

    static int open(sqlite3_vfs* /*vfs*/, const char* path, sqlite3_file* file, int flags,
                    int* out) {
        FaultyVfs& self = *current_;
        const int code = self.real_->xOpen(self.real_, path, file, flags, out);
        if (code != SQLITE_OK || file->pMethods == nullptr) return code;
        const std::scoped_lock lock(self.mutex_);
        Methods* table = &self.tables_[0];
        while (table->real != nullptr && table->real != file->pMethods) ++table;
        table->real = file->pMethods;
        table->methods = *file->pMethods;
        table->methods.xSync = &FaultyVfs::sync;
        table->methods.xWrite = &FaultyVfs::write;
        // The same for all of them.
        self.real_sync_ = file->pMethods->xSync;
        self.real_write_ = file->pMethods->xWrite;
        file->pMethods = &table->methods;
        return code;
    }
    static int sync(sqlite3_file* file, int flags) {
        FaultyVfs& self = *current_;
        {
            std::unique_lock lock(self.mutex_);
            ++self.syncs_held;
            self.changed_.wait(lock, [&] { return !self.held_; });
            --self.syncs_held;
        }
        const int code = self.sync_code;
        return code == SQLITE_OK ? self.real_sync_(file, flags) : code;
    }
    static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
        const int code = current_->write_code;
        return code == SQLITE_OK ? current_->real_write_(file, data, size, at) : code;
    }

    // A file's own methods are those of whoever wraps this VFS: they do not lead here.
    static inline FaultyVfs* current_ = nullptr;

    sqlite3_vfs* real_;
    sqlite3_vfs vfs_;
    std::array<Methods, 8> tables_{};  // the unix VFS has one for each locking style
    int (*real_sync_)(sqlite3_file*, int) = nullptr;
    int (*real_write_)(sqlite3_file*, const void*, int, sqlite3_int64) = nullptr;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::atomic<bool> held_{false};
};

// What a test of a SQLite database begins with. open() takes `options`, which may be changed
// before.
class StoreTest : public ::testing::Test {
protected:
    StoreTest() {
        options.url = "sqlite:" + folder.file("test.db");
        loops.start();
    }
    ~StoreTest() override { close(); }

    void open() {
        database = open_database(options, registry);
        services = std::make_unique<runtime::Services>();
        services->add(*database);
        database->start(loops);
    }
    void close() {
        if (database) database->stop();
        database.reset();
    }
    template <class T>
    T run(Task<T> task) {
        return run_blocking(loops.executor(0), std::move(task));
    }
    std::uint64_t counted(const char* name) {
        return registry.counter(name, telemetry::metric_label("database", "sqlite"), "").value();
    }

    TemporaryFolder folder;
    telemetry::Registry registry;
    runtime::Loops loops{runtime::LoopsOptions{2, std::chrono::milliseconds(10'000)}, registry};
    DatabaseOptions options;
    std::unique_ptr<Database> database;
    std::unique_ptr<runtime::Services> services;
};

// The code of the Error that `action` throws; fails the test if it throws none.
template <class Action>
Error error_thrown_by(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "no error was thrown";
    return Error(Errc::internal, "none");
}

}  // namespace loadstone::store::testing
