#pragma once
// Watch: interrupts queries whose deadline has passed or whose asker has hung up. DuckDB looks at
// neither by itself. A thread of its own, which looks every 20 ms while a query runs.

#include <duckdb.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace loadstone::analytics::duckdb {

class Watch {
public:
    Watch();
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
        std::list<Guard*>::iterator at_;
    };

private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Guard*> guards_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace loadstone::analytics::duckdb
