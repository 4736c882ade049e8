#pragma once
// Process: a program started by a test. It does not outlive the test: it is killed when the object
// is destroyed, and by the kernel when the test's process ends.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tests {

struct ProcessOptions {
    std::vector<std::string> arguments;  // the first is the program, looked up in PATH
    std::filesystem::path output;        // stdout and stderr are appended; empty: inherited
    std::filesystem::path directory;     // empty: the test's
    std::string user;                    // whom to become if the test is root; empty: nobody else
    int death_signal = 9;                // when the test's process ends
};

class Process {
public:
    explicit Process(const ProcessOptions& options);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    pid_t pid() const noexcept { return pid_; }
    bool is_running();
    void signal(int number);
    // The exit status as of waitpid; nothing if it still runs.
    std::optional<int> wait(std::chrono::milliseconds patience);

private:
    pid_t pid_ = -1;
    std::optional<int> status_;
};

struct CommandResult {
    int exit_code = -1;  // -1: killed by a signal
    std::string output;  // stdout and stderr
};
// Runs a program to its end; fails the test by an exception if it takes longer than `patience`.
CommandResult run_command(const std::vector<std::string>& arguments,
                          std::chrono::milliseconds patience = std::chrono::seconds(60),
                          const std::string& user = {});

bool is_root();
// A free TCP port of 127.0.0.1. No outgoing connection is given it by the kernel, and no other test
// process while this one lives (as tests/process/harness/process.py, by the same lock files).
int free_port();

// A directory of its own under /tmp, removed with what is in it.
class TempDir {
public:
    // For `user` if the test is root and the user is not empty.
    explicit TempDir(const std::string& user = {});
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir();
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace tests
