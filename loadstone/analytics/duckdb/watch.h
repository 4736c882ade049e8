#pragma once
// Watch: interrupts queries whose deadline has passed or whose asker has hung up. DuckDB looks at
// neither by itself. A thread of its own, which looks every 20 ms while a query runs.
//
// DuckDB sees an interrupt between two pieces of its work only, and counts the memory of its
// operators only: while it makes a single value, as of repeat('x', 1000000000), it does neither. So
// what has not ended 10 s after its interrupt ends the process, and so does memory beyond a bound;
// the server starts it again.

#include <duckdb.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

namespace loadstone::analytics::duckdb {

class Watch {
public:
    // `resident_max`: bytes of memory that the process has, by the kernel's count.
    explicit Watch(std::int64_t resident_max);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // While it lives, the connection is watched.
    class Guard {
    public:
        Guard(Watch& watch, duckdb_connection connection, int fd,
              std::chrono::steady_clock::time_point deadline);
        ~Guard();
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        bool deadline_has_passed() const noexcept {
            return std::chrono::steady_clock::now() >= deadline_;
        }
        std::chrono::steady_clock::time_point deadline() const noexcept { return deadline_; }

    private:
        friend class Watch;
        Watch& watch_;
        const duckdb_connection connection_;
        const int fd_;
        const std::chrono::steady_clock::time_point deadline_;
        std::optional<std::chrono::steady_clock::time_point> interrupted_at_;
        std::list<Guard*>::iterator at_;
    };

private:
    void run();
    static void interrupt(Guard& guard);
    void bound_memory() const;

    const std::int64_t resident_max_;
    const int statm_;  // /proc/self/statm

    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Guard*> guards_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace loadstone::analytics::duckdb
