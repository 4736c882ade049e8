#pragma once
// The admin socket: a Unix socket under the data folder (run/PID.sock, mode 0600), one request
// line, one answer, then it is closed. Only who may read the data folder can ask.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/describe.h"

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
    std::string process;     // its id
    std::string text;        // if it is silent, that it is
    bool is_silent = false;  // it has not said all within two seconds
};

// Asks every live server of the data folder; removes sockets that nobody listens on.
std::vector<AdminAnswer> ask_servers(const std::string& folder, const std::string& line);

// A server that a report is without: it is silent, or what it says is not understood.
struct SilentServer {
    std::string process, why;
};
BOOST_DESCRIBE_STRUCT(SilentServer, (), (process, why))

SilentServer silent_of(const AdminAnswer& answer);
// A line for each.
std::string silent_text(const std::vector<SilentServer>& silent);

}  // namespace loadstone::server::internal
