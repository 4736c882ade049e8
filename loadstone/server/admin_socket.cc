#include "loadstone/server/internal/admin_socket.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "loadstone/base/error.h"
#include "loadstone/base/unix_address.h"

namespace loadstone::server::internal {

namespace {

constexpr int client_timeout_ms = 2'000;
constexpr int accept_pause_ms = 100;
constexpr std::size_t line_bytes_max = 256;
constexpr std::size_t answer_bytes_max = 16 * 1024 * 1024;

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

bool ready(int fd, short events) {
    pollfd entry{fd, events, 0};
    return poll(&entry, 1, client_timeout_ms) == 1;
}

// A client that says nothing, or a letter at a time, holds the socket's thread for
// client_timeout_ms.
std::string read_line(int fd) {
    std::string line;
    char c = 0;
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(client_timeout_ms);
    while (line.size() < line_bytes_max && std::chrono::steady_clock::now() < end &&
           ready(fd, POLLIN) && read(fd, &c, 1) == 1 && c != '\n') {
        line += c;
    }
    return line;
}

void write_all(int fd, std::string_view text) {
    while (!text.empty() && ready(fd, POLLOUT)) {
        const auto written = send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written <= 0 && errno != EAGAIN) return;
        if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

struct AdminSocket::Impl {
    Impl(std::string folder, std::function<std::string(std::string_view)> answer_with,
         std::function<void()> tick_with, std::chrono::milliseconds every)
        : path(fmt::format("{}/{}.sock", folder, getpid())),
          answer(std::move(answer_with)),
          tick(std::move(tick_with)),
          tick_every(every),
          listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
          stop_event(eventfd(0, EFD_CLOEXEC)) {
        const sockaddr_un address = unix_address(path, "the admin socket");
        mkdir(folder.c_str(), 0700);  // what fails here fails at bind
        chmod(folder.c_str(), 0700);
        unlink(path.c_str());
        if (listener.get() < 0 ||
            bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
                0 ||
            chmod(path.c_str(), 0600) != 0 || listen(listener.get(), 8) != 0) {
            throw Error(Errc::unavailable, fmt::format("the admin socket {} cannot be made: {}",
                                                       path, std::strerror(errno)));
        }
        thread = std::thread([this] { serve(); });
    }
    ~Impl() {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = write(stop_event.get(), &one, sizeof one);
        thread.join();
        unlink(path.c_str());
    }

    void serve() {
        auto next_tick = std::chrono::steady_clock::now() + tick_every;
        for (;;) {
            const auto wait = std::chrono::ceil<std::chrono::milliseconds>(
                next_tick - std::chrono::steady_clock::now());
            pollfd entries[2] = {{listener.get(), POLLIN, 0}, {stop_event.get(), POLLIN, 0}};
            const int count =
                poll(entries, 2, static_cast<int>(std::max<std::int64_t>(0, wait.count())));
            if (count > 0 && entries[1].revents != 0) return;
            if (count > 0 && entries[0].revents != 0) serve_one();
            if (std::chrono::steady_clock::now() >= next_tick) {
                tick();
                next_tick += tick_every;
            }
        }
    }

    void serve_one() {
        const Descriptor client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (client.get() < 0) {
            // Without a descriptor for it the client stays at the door, and poll() would return at
            // once, over and over.
            pollfd stop{stop_event.get(), POLLIN, 0};
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                poll(&stop, 1, accept_pause_ms);
            return;
        }
        std::string text;
        try {
            text = answer(read_line(client.get()));
        } catch (const std::exception& error) {
            text = fmt::format("error: {}\n", error.what());
        }
        write_all(client.get(), text);
    }

    const std::string path;
    const std::function<std::string(std::string_view)> answer;
    const std::function<void()> tick;
    const std::chrono::milliseconds tick_every;
    Descriptor listener, stop_event;
    std::thread thread;
};

AdminSocket::AdminSocket(std::string folder, std::function<std::string(std::string_view)> answer,
                         std::function<void()> tick, std::chrono::milliseconds tick_every)
    : impl_(std::make_unique<Impl>(std::move(folder), std::move(answer), std::move(tick),
                                   tick_every)) {}
AdminSocket::~AdminSocket() = default;

namespace {

// False if it has not said all in time.
bool ask(int server, const std::string& line, std::string& text) {
    write_all(server, line + "\n");
    char buffer[4'096];
    while (text.size() < answer_bytes_max) {
        if (!ready(server, POLLIN)) return false;
        const auto count = read(server, buffer, sizeof buffer);
        if (count <= 0) break;
        text.append(buffer, static_cast<std::size_t>(count));
    }
    return !text.empty();
}

}  // namespace

std::vector<AdminAnswer> ask_servers(const std::string& folder, const std::string& line) {
    std::vector<AdminAnswer> answers;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
        const std::string path = entry.path().string();
        if (entry.path().extension() != ".sock") continue;
        const Descriptor server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const timeval patience{client_timeout_ms / 1'000, 0};  // of connect() too
        setsockopt(server.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        const sockaddr_un address = unix_address(path, "the admin socket");
        const bool is_taken =
            connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        if (!is_taken && errno != EAGAIN) {  // EAGAIN: it is alive, and takes nobody
            if (errno == ECONNREFUSED)
                unlink(path.c_str());  // left behind by a process that was killed
            continue;
        }
        AdminAnswer answer;
        answer.process = entry.path().stem().string();
        answer.is_silent = !is_taken || !ask(server.get(), line, answer.text);
        if (answer.is_silent)
            answer.text = fmt::format("no answer from process {} within {} ms\n", answer.process,
                                      client_timeout_ms);
        answers.push_back(std::move(answer));
    }
    return answers;
}

SilentServer silent_of(const AdminAnswer& answer) {
    constexpr std::size_t shown_max = 200;
    const std::string_view text(answer.text);
    return {answer.process, fmt::format("{}{}", answer.is_silent ? "" : "it answers ",
                                        text.substr(0, std::min(text.find('\n'), shown_max)))};
}

std::string silent_text(const std::vector<SilentServer>& silent) {
    std::string text;
    for (const SilentServer& each : silent)
        text += fmt::format("process {} is left out: {}\n", each.process, each.why);
    return text;
}

}  // namespace loadstone::server::internal
