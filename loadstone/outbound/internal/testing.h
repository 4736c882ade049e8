#pragma once
// For the tests of mail: the SMTP server of tests/support as a child process, and what a reader of
// mail (Python's email package) makes of a mail.

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace loadstone::outbound::testing {

inline std::string source_path(const std::string& path) {
    const char* root = std::getenv("LOADSTONE_SOURCE_DIR");
    return std::string(root != nullptr ? root : ".") + "/" + path;
}

// A directory of its own under /tmp, removed with what is in it.
class TempFolder {
public:
    TempFolder() {
        char name[] = "/tmp/loadstone-mail-XXXXXX";
        if (::mkdtemp(name) == nullptr) throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

// A Python program with pipes at its stdin and stdout; it ends when its stdin does.
class PythonProcess {
public:
    explicit PythonProcess(std::vector<std::string> arguments) {
        int in[2], out[2];
        if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) {
            throw std::runtime_error("no pipes");
        }
        arguments.insert(arguments.begin(), "/usr/bin/python3");
        std::vector<char*> raw;
        for (std::string& argument : arguments) raw.push_back(argument.data());
        raw.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        const int code = ::posix_spawn(&pid_, raw[0], &actions, nullptr, raw.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        ::close(in[0]);
        ::close(out[1]);
        in_ = in[1];
        out_ = out[0];
        if (code != 0) throw std::runtime_error("python3 does not start");
    }
    ~PythonProcess() {
        close_input();
        ::close(out_);
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    PythonProcess(const PythonProcess&) = delete;
    PythonProcess& operator=(const PythonProcess&) = delete;

    void write(const std::string& text) {
        for (std::size_t at = 0; at < text.size();) {
            const ssize_t written = ::write(in_, text.data() + at, text.size() - at);
            if (written <= 0) throw std::runtime_error("python3 does not read");
            at += static_cast<std::size_t>(written);
        }
    }
    void close_input() {
        if (in_ >= 0) ::close(in_);
        in_ = -1;
    }
    // Without its end.
    std::string read_line() {
        for (;;) {
            const std::size_t end = unread_.find('\n');
            if (end != std::string::npos) {
                std::string line = unread_.substr(0, end);
                unread_.erase(0, end + 1);
                return line;
            }
            pollfd ready{out_, POLLIN, 0};
            char bytes[65536];
            const ssize_t got =
                ::poll(&ready, 1, 30'000) == 1 ? ::read(out_, bytes, sizeof bytes) : 0;
            if (got <= 0) throw std::runtime_error("python3 says nothing more");
            unread_.append(bytes, static_cast<std::size_t>(got));
        }
    }

private:
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
    std::string unread_;
};

class SmtpServerProcess {
public:
    explicit SmtpServerProcess(std::vector<std::string> options = {}, int port = 0)
        : process_(arguments(std::move(options), port)), port_(number(process_.read_line())) {}

    int port() const noexcept { return port_; }
    // "mode drop stage=mail" etc., as its file describes.
    std::string command(const std::string& line) {
        process_.write(line + "\n");
        std::string answer = process_.read_line();
        if (answer.find("\"error\"") != std::string::npos) throw std::runtime_error(answer);
        return answer;
    }
    // A number of its stats: "accepted", "distinct", "connections", "open", "logins", "encrypted".
    int stat(const std::string& name) {
        const std::string stats = command("stats");
        const std::size_t at = stats.find("\"" + name + "\": ");
        if (at == std::string::npos) throw std::runtime_error("no such number: " + name);
        return number(stats.substr(at + name.size() + 4));
    }

private:
    static int number(const std::string& text) {
        int value = -1;
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }
    static std::vector<std::string> arguments(std::vector<std::string> options, int port) {
        std::vector<std::string> all{source_path("tests/support/smtp_server.py"), "--stdin",
                                     "--port", std::to_string(port)};
        all.insert(all.end(), options.begin(), options.end());
        return all;
    }

    PythonProcess process_;
    int port_;
};

inline std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

// What Python's email package reads: one "name: value" line for each of the fields from, to,
// subject, message-id, date, structure ("text/plain" or "multipart/alternative(text/plain,
// text/html)"), defects, text and html. In values \ and line ends stand as \\ and \n, and headers
// that are there more than once are joined by "|".
inline std::string read_mail(const std::string& rendered) {
    static const char* const program = R"(
import email, email.header, email.policy, email.utils, sys
raw = sys.stdin.buffer.read()
m = email.message_from_bytes(raw, policy=email.policy.default)
h = email.message_from_bytes(raw)
def one(s): return s.replace('\\', '\\\\').replace('\r\n', '\n').replace('\n', '\\n')
def decoded(s): return str(email.header.make_header(email.header.decode_header(s)))
def mailbox(s):
    name, address = email.utils.parseaddr(s)
    return (decoded(name) + ' ' if name else '') + '<' + address + '>'
def body(kind):
    for p in m.walk():
        if p.get_content_type() == kind: return p.get_content()
    return ''
kinds = [p.get_content_type() for p in m.walk()]
for name, read in (('from', mailbox), ('to', mailbox), ('subject', decoded), ('message-id', str),
                   ('date', str)):
    print(name + ': ' + '|'.join(one(read(str(v))) for v in h.get_all(name, [])))
print('structure: ' + (kinds[0] + ('(' + ','.join(kinds[1:]) + ')' if kinds[1:] else '')))
print('defects: %d' % sum(len(p.defects) for p in m.walk()))
print('text: ' + one(body('text/plain')))
print('html: ' + one(body('text/html')))
print('end')
)";
    PythonProcess python({"-X", "utf8", "-c", program});
    python.write(rendered);
    python.close_input();
    std::string all;
    for (;;) {
        const std::string line = python.read_line();
        if (line == "end") return all;
        all += line + "\n";
    }
}

// tests/support/http_server.py.
class HttpServerProcess {
public:
    explicit HttpServerProcess(std::vector<std::string> options = {})
        : process_(arguments(std::move(options))), port_(process_.read_line()) {}

    std::string url(const std::string& path, const std::string& scheme = "http") const {
        return scheme + "://127.0.0.1:" + port_ + path;
    }
    std::string host() const { return "127.0.0.1:" + port_; }
    int count(const std::string& name) {
        process_.write("counts\n");
        const std::string all = process_.read_line();
        const std::size_t at = all.find("\"" + name + "\": ") + name.size() + 4;
        int value = -1;
        std::from_chars(all.data() + at, all.data() + all.size(), value);
        return value;
    }

private:
    static std::vector<std::string> arguments(std::vector<std::string> options) {
        options.insert(options.begin(), source_path("tests/support/http_server.py"));
        return options;
    }

    PythonProcess process_;
    const std::string port_;
};

}  // namespace loadstone::outbound::testing
