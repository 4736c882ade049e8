#include "loadstone/base/child_process.h"

#include <fmt/core.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "loadstone/base/error.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace loadstone {

namespace {

class Attributes {
public:
    Attributes() {
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_init(&of_child);
        posix_spawnattr_setsigmask(&of_child, &none);
        posix_spawnattr_setsigdefault(&of_child, &all);
        posix_spawnattr_setpgroup(&of_child, 0);
        posix_spawnattr_setflags(
            &of_child, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    ~Attributes() { posix_spawnattr_destroy(&of_child); }

    posix_spawnattr_t of_child;
};

}  // namespace

Child spawn_child(const std::string& program, std::vector<std::string> arguments, int file) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        throw Error(Errc::unavailable, fmt::format("socketpair: {}", std::strerror(errno)));
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
    if (file >= 0) posix_spawn_file_actions_adddup2(&actions, file, file_of_child);
    // Nothing else of this process: a client's socket held there would stay open after its end
    // here.
    posix_spawn_file_actions_addclosefrom_np(&actions,
                                             file >= 0 ? file_of_child + 1 : STDERR_FILENO + 1);
    const Attributes attributes;
    pid_t pid = -1;
    const int failed =
        ::posix_spawn(&pid, program.c_str(), &actions, &attributes.of_child, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pair[1]);
    if (failed != 0) {
        ::close(pair[0]);
        throw Error(Errc::unavailable,
                    fmt::format("{} cannot be started: {}", program, std::strerror(failed)));
    }
    return {pid, pair[0]};
}

}  // namespace loadstone
