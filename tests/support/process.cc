#include "tests/support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "tests/support/wait_until.h"

namespace tests {

namespace {

[[noreturn]] void throw_errno(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

const passwd* user_entry(const std::string& user) {
    if (user.empty() || !is_root()) return nullptr;
    const passwd* entry = ::getpwnam(user.c_str());
    if (entry == nullptr) throw std::runtime_error("there is no user " + user);
    return entry;
}

// Between fork and exec: only calls that are safe there.
[[noreturn]] void become(const ProcessOptions& options, const passwd* user, char* const* arguments,
                         int output, pid_t parent) {
    ::setpgid(0, 0);
    if (output >= 0) {
        ::dup2(output, STDOUT_FILENO);
        ::dup2(output, STDERR_FILENO);
    }
    const int input = ::open("/dev/null", O_RDONLY);
    if (input >= 0) ::dup2(input, STDIN_FILENO);
    if (user != nullptr && (::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
        ::_exit(126);
    if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) ::_exit(126);
    // After the change of user, which clears it.
    ::prctl(PR_SET_PDEATHSIG, options.death_signal);
    if (::getppid() != parent) ::_exit(126);
    ::execvp(arguments[0], arguments);
    ::_exit(127);
}

}  // namespace

Process::Process(const ProcessOptions& options) {
    std::vector<char*> arguments;
    for (const std::string& argument : options.arguments) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    int output = -1;
    if (!options.output.empty()) {
        output = ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (output < 0) throw_errno("cannot open " + options.output.string());
    }
    const passwd* user = user_entry(options.user);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) become(options, user, arguments.data(), output, parent);
    if (output >= 0) ::close(output);
    if (pid_ < 0) throw_errno("cannot fork");
}

Process::~Process() {
    if (!is_running()) return;
    signal(SIGKILL);
    wait(std::chrono::seconds(10));
}

bool Process::is_running() {
    if (status_) return false;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return !status_;
}

void Process::signal(int number) {
    if (is_running()) ::kill(pid_, number);
}

std::optional<int> Process::wait(std::chrono::milliseconds patience) {
    wait_until([this] { return !is_running(); }, patience);
    return status_;
}

CommandResult run_command(const std::vector<std::string>& arguments,
                          std::chrono::milliseconds patience, const std::string& user) {
    const TempDir directory;
    ProcessOptions options;
    options.arguments = arguments;
    options.output = directory.path() / "output";
    options.user = user;
    if (!user.empty()) options.directory = "/";
    Process process(options);
    const auto status = process.wait(patience);
    CommandResult result;
    std::ifstream file(options.output);
    std::ostringstream text;
    text << file.rdbuf();
    result.output = text.str();
    if (!status) throw std::runtime_error(arguments.front() + " does not end: " + result.output);
    if (WIFEXITED(*status)) result.exit_code = WEXITSTATUS(*status);
    return result;
}

namespace {

bool can_bind(int port) {
    const int handle = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle < 0) throw_errno("cannot make a socket");
    const int on = 1;
    ::setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port = ::htons(static_cast<std::uint16_t>(port));
    const bool bound = ::bind(handle, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(handle);
    return bound;
}

}  // namespace

bool is_root() { return ::geteuid() == 0; }

int free_port() {
    std::ifstream kernel("/proc/sys/net/ipv4/ip_local_port_range");
    int low = 0;
    int high = 0;
    if (!(kernel >> low >> high)) throw std::runtime_error("cannot read ip_local_port_range");
    std::uniform_int_distribution<int> ports =
        low > 12'000 ? std::uniform_int_distribution(10'000, low - 1)
                     : std::uniform_int_distribution(high + 1, 65'535);
    std::random_device random;
    for (int attempt = 0; attempt < 1'000; ++attempt) {
        const int port = ports(random);
        const std::string name = "/tmp/loadstone-port-" + std::to_string(port) + ".lock";
        const int claim = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (claim < 0) continue;  // another user's
        if (::flock(claim, LOCK_EX | LOCK_NB) == 0 && can_bind(port)) return port;
        ::close(claim);
    }
    throw std::runtime_error("no free port in 1000 attempts");
}

TempDir::TempDir(const std::string& user) {
    std::string name = "/tmp/loadstone-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw_errno("cannot make a directory in /tmp");
    path_ = name;
    if (const passwd* entry = user_entry(user)) {
        if (::chown(name.c_str(), entry->pw_uid, entry->pw_gid) != 0)
            throw_errno("cannot chown " + name);
    }
}

TempDir::~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace tests
