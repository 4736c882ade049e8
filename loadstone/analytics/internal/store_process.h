#pragma once
// The process of the column store: at most one of a data folder, started by whichever server has
// the folder's lock, and again when it has died. Blocking; one thread at a time.

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "loadstone/analytics/options.h"

namespace loadstone::analytics::internal {

class StoreProcess {
public:
    explicit StoreProcess(const Options& options);
    StoreProcess(const StoreProcess&) = delete;
    StoreProcess& operator=(const StoreProcess&) = delete;
    ~StoreProcess();  // ends it, and waits

    // Whether a store has ever been made here.
    bool has_file() const;
    // Takes the folder's lock, if it is free, and sees that the process runs. False: another
    // server has the lock. Errors: unavailable.
    bool keep_running();
    // Whatever it does; what it has committed is on disk. The lock stays.
    void end();
    // On disk, with its log. From any thread, as the next two.
    std::int64_t file_bytes() const;
    int restarts() const noexcept { return restarts_; }
    pid_t pid() const noexcept { return pid_; }

private:
    bool take_lock();
    bool is_running();
    void spawn();

    const Options options_;
    int lock_ = -1;
    int lifeline_ = -1;  // when it is closed, by whatever end of this process, the child ends
    std::atomic<pid_t> pid_ = -1;
    std::atomic<int> restarts_ = -1;
};

}  // namespace loadstone::analytics::internal
