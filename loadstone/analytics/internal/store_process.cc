#include "loadstone/analytics/internal/store_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace loadstone::analytics::internal {

namespace {

constexpr int open_timeout_ms = 20'000;  // after a kill it reads its log first
constexpr int connections_max = 24;      // of all servers of the folder

std::string program_of(const Options& options) {
    if (!options.program.empty()) return options.program;
    std::error_code failed;
    const auto own = std::filesystem::read_symlink("/proc/self/exe", failed);
    return (own.parent_path() / "loadstone-duckdb").string();
}

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
    if (lifeline_ >= 0) ::close(lifeline_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
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

void StoreProcess::spawn() {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        throw Error(Errc::unavailable, fmt::format("socketpair: {}", std::strerror(errno)));
    const std::string program = program_of(options_);
    std::vector<std::string> arguments{program,
                                       options_.folder + "/facts.duckdb",
                                       options_.socket,
                                       options_.folder + "/tmp",
                                       fmt::format("{}", options_.memory_mb),
                                       fmt::format("{}", options_.disk_mb),
                                       fmt::format("{}", options_.threads),
                                       fmt::format("{}", connections_max),
                                       fmt::format("{}", options_.rollup_recent_rows)};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
    // Nothing else of the server: a client's socket held there would stay open after its end here.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // Of its own group: what a terminal sends the server is the server's to deal with.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    pid_t pid = -1;
    const int failed =
        ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pair[1]);
    if (failed != 0) {
        ::close(pair[0]);
        pid_ = -1;
        throw Error(Errc::unavailable,
                    fmt::format("{} cannot be started: {}", program, std::strerror(failed)));
    }
    pid_ = pid;
    lifeline_ = pair[0];
    ++restarts_;
    pollfd ready{lifeline_, POLLIN, 0};
    char byte = 0;
    if (::poll(&ready, 1, open_timeout_ms) != 1 || ::read(lifeline_, &byte, 1) != 1)
        throw Error(Errc::unavailable, "the column store does not open: its process says why");
}

}  // namespace loadstone::analytics::internal
