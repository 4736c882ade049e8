#include "tests/support/pg_bouncer.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/wait_until.h"

namespace tests {

namespace {

bool accepts(int port) {
    const int handle = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port = ::htons(static_cast<std::uint16_t>(port));
    const bool is_connected =
        ::connect(handle, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(handle);
    return is_connected;
}

}  // namespace

PgBouncer::PgBouncer(const PostgresServer& server, int server_connections)
    : directory_(PostgresServer::user()), port_(free_port()) {
    const auto file = directory_.path() / "pgbouncer.ini";
    std::ofstream configuration(file);
    configuration << "[databases]\n"
                  << "* = host=" << server.socket_directory() << " port=" << server.port()
                  << " user=postgres\n"
                  << "[pgbouncer]\n"
                  << "listen_addr = 127.0.0.1\nlisten_port = " << port_ << "\n"
                  << "unix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
                  << "default_pool_size = " << server_connections << "\nmax_client_conn = 500\n"
                  << "server_login_retry = 1\nlog_connections = 0\nlog_disconnections = 0\n";
    configuration.close();
    ProcessOptions options;
    options.arguments = {"/usr/sbin/pgbouncer", file};
    options.output = directory_.path() / "log";
    options.directory = directory_.path();
    options.user = PostgresServer::user();
    process_ = std::make_unique<Process>(options);
    if (!wait_until([this] { return accepts(port_) || !process_->is_running(); }) ||
        !accepts(port_)) {
        throw std::runtime_error("PgBouncer does not start: " + log());
    }
}

PgBouncer::~PgBouncer() {
    process_->signal(SIGTERM);
    process_->wait(std::chrono::seconds(10));
}

std::string PgBouncer::url(const std::string& database) const {
    return "postgres://postgres@127.0.0.1:" + std::to_string(port_) + "/" + database +
           "?pooler=transaction";
}

std::string PgBouncer::log() const {
    std::ifstream input(directory_.path() / "log");
    std::ostringstream text;
    text << input.rdbuf();
    return text.str();
}

}  // namespace tests
