#include "loadstone/analytics/duckdb/watch.h"

#include <poll.h>

namespace loadstone::analytics::duckdb {

namespace {

constexpr std::chrono::milliseconds look_every{20};

bool has_hung_up(int fd) {
    pollfd entry{fd, POLLRDHUP, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

Watch::Watch() : thread_([this] { run(); }) {}

Watch::~Watch() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Watch::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stopping_ || !guards_.empty(); });
        if (stopping_) return;
        for (const Guard* guard : guards_) {
            if (guard->deadline_has_passed() || has_hung_up(guard->fd_))
                duckdb_interrupt(guard->connection_);
        }
        changed_.wait_for(lock, look_every, [&] { return stopping_; });
    }
}

Watch::Guard::Guard(Watch& watch, duckdb_connection connection, int fd,
                    std::chrono::steady_clock::time_point deadline)
    : watch_(watch), connection_(connection), fd_(fd), deadline_(deadline) {
    {
        const std::lock_guard lock(watch_.mutex_);
        at_ = watch_.guards_.insert(watch_.guards_.end(), this);
    }
    watch_.changed_.notify_all();
}

Watch::Guard::~Guard() {
    const std::lock_guard lock(watch_.mutex_);
    watch_.guards_.erase(at_);
}

}  // namespace loadstone::analytics::duckdb
