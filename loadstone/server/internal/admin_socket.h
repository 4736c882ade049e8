#pragma once
// The admin socket: a Unix socket under the data folder (run/PID.sock, mode 0600), one request
// line, one answer, then it is closed. Only who may read the data folder can ask.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loadstone::server::internal {

class AdminSocket {
public:
    // `answer` runs on the socket's own thread; `tick` there too, about every `tick_every`.
    AdminSocket(std::string folder, std::function<std::string(std::string_view)> answer,
                std::function<void()> tick, std::chrono::milliseconds tick_every);
    ~AdminSocket();  // removes the socket
    AdminSocket(const AdminSocket&) = delete;
    AdminSocket& operator=(const AdminSocket&) = delete;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

struct AdminAnswer {
    std::string process;  // its id
    std::string text;
};

// Asks every live server of the data folder; removes sockets that nobody answers.
std::vector<AdminAnswer> ask_servers(const std::string& folder, const std::string& line);

}  // namespace loadstone::server::internal
