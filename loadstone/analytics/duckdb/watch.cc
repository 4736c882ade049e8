#include "loadstone/analytics/duckdb/watch.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>

namespace loadstone::analytics::duckdb {

namespace {

constexpr std::chrono::milliseconds look_every{20};
constexpr std::chrono::seconds grace{10};
constexpr int status_of_stuck = 3, status_of_memory = 4;

bool has_hung_up(int fd) {
    pollfd entry{fd, POLLRDHUP, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

// What has been committed is on disk.
[[noreturn]] void end(const char* why, int status) {
    fmt::print(stderr, "loadstone-duckdb: {}: all that run end\n", why);
    std::fflush(stderr);
    ::_exit(status);
}

}  // namespace

Watch::Watch(std::int64_t resident_max)
    : resident_max_(resident_max), statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
    thread_ = std::thread([this] { run(); });
}

Watch::~Watch() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (statm_ >= 0) ::close(statm_);
}

void Watch::bound_memory() const {
    char text[128] = "";
    long long size = 0, resident = 0;  // pages
    if (::pread(statm_, text, sizeof text - 1, 0) <= 0 ||
        std::sscanf(text, "%lld %lld", &size, &resident) != 2)
        return;
    if (resident * ::sysconf(_SC_PAGESIZE) > resident_max_)
        end("a statement took more memory than there is for it", status_of_memory);
}

void Watch::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stopping_ || !guards_.empty(); });
        if (stopping_) return;
        bound_memory();
        for (Guard* guard : guards_) {
            if (guard->deadline_has_passed() || has_hung_up(guard->fd_)) interrupt(*guard);
        }
        changed_.wait_for(lock, look_every, [&] { return stopping_; });
    }
}

void Watch::interrupt(Guard& guard) {
    const auto now = std::chrono::steady_clock::now();
    duckdb_interrupt(guard.connection_);
    if (!guard.interrupted_at_) guard.interrupted_at_ = now;
    if (now - *guard.interrupted_at_ < grace) return;
    end("a statement did not end at its interrupt", status_of_stuck);
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
