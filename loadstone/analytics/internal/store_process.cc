#include "loadstone/analytics/internal/store_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "loadstone/analytics/internal/spawn.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"

namespace loadstone::analytics::internal {

namespace {

constexpr int open_timeout_ms = 20'000;  // after a kill it reads its log first
constexpr int connections_max = 24;      // of all servers of the folder

void make_folder(const std::string& path) {
    std::error_code failed;
    std::filesystem::create_directories(path, failed);
    if (failed)
        throw Error(Errc::unavailable,
                    fmt::format("the folder {} cannot be made: {}", path, failed.message()));
}

}  // namespace

StoreProcess::StoreProcess(const Options& options) : options_(options) {}

StoreProcess::~StoreProcess() {
    end();
    if (lock_ >= 0) ::close(lock_);
}

bool StoreProcess::has_file() const {
    std::error_code failed;
    return std::filesystem::exists(options_.folder + "/facts.duckdb", failed);
}

std::int64_t StoreProcess::file_bytes() const {
    std::int64_t bytes = 0;
    for (const char* name : {"/facts.duckdb", "/facts.duckdb.wal"}) {
        std::error_code failed;
        const auto size = std::filesystem::file_size(options_.folder + name, failed);
        if (!failed) bytes += static_cast<std::int64_t>(size);
    }
    return bytes;
}

bool StoreProcess::take_lock() {
    if (lock_ >= 0) return true;
    make_folder(options_.folder);
    make_folder(options_.folder + "/tmp");
    make_folder(std::filesystem::path(options_.socket).parent_path().string());
    const std::string path = options_.folder + "/lock";
    const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) throw Error(Errc::unavailable, fmt::format("{}: {}", path, std::strerror(errno)));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ::close(fd);
        return false;
    }
    lock_ = fd;
    return true;
}

bool StoreProcess::is_running() {
    if (pid_ <= 0) return false;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
    log::error("the process of the column store has ended; it is started again",
               {{"pid", static_cast<std::int64_t>(pid_.load())},
                {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0},
                {"status", WIFEXITED(status) ? WEXITSTATUS(status) : -1}});
    pid_ = -1;
    ::close(lifeline_);
    lifeline_ = -1;
    return false;
}

bool StoreProcess::keep_running() {
    if (!take_lock()) return false;
    if (!is_running()) spawn();
    return true;
}

// One that stands still would not see that its lifeline is closed.
void StoreProcess::end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(lifeline_);
    pid_ = lifeline_ = -1;
}

void StoreProcess::spawn() {
    const Child child = spawn_duckdb(
        options_, {options_.folder + "/facts.duckdb", options_.socket, options_.folder + "/tmp",
                   fmt::to_string(options_.memory_mb), fmt::to_string(options_.disk_mb),
                   fmt::to_string(options_.threads), fmt::to_string(connections_max),
                   fmt::to_string(options_.rollup_recent_rows)});
    pid_ = child.pid;
    lifeline_ = child.socket;
    ++restarts_;
    pollfd ready{lifeline_, POLLIN, 0};
    char byte = 0;
    if (::poll(&ready, 1, open_timeout_ms) != 1 || ::read(lifeline_, &byte, 1) != 1)
        throw Error(Errc::unavailable, "the column store does not open: its process says why");
}

}  // namespace loadstone::analytics::internal
