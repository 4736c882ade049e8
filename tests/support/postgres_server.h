#pragma once
// PostgresServer: a PostgreSQL cluster of the test's own, in a directory under /tmp, on a Unix
// socket and a free port of 127.0.0.1. As root it runs as the user postgres. It starts within
// about half a second: the cluster is a copy of a template that is made once per machine.

#include <map>
#include <memory>
#include <string>

#include "tests/support/process.h"

namespace tests {

class PostgresServer;

struct PostgresOptions {
    const PostgresServer* replica_of = nullptr;   // a streaming standby of it
    bool is_of_own_system = false;                // others are copies: of one database system
    bool tls = false;                             // with a certificate of its own making
    bool fsync = false;                           // on only where the disk is what is tested
    std::map<std::string, std::string> settings;  // of postgresql.conf
};

class PostgresServer {
public:
    enum class Stop { fast, immediate };

    explicit PostgresServer(const PostgresOptions& options = {});
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;
    ~PostgresServer();

    // Ready for connections when it returns.
    void start();
    void stop(Stop how);
    void restart(Stop how);
    // When it starts next it is a standby of `primary`.
    void follow(const PostgresServer& primary);
    // SIGSTOP and SIGCONT for the server and all its backends.
    void freeze();
    void thaw();

    int port() const noexcept { return port_; }
    std::string socket_directory() const;
    // postgres://postgres@127.0.0.1:PORT/DATABASE
    std::string url(const std::string& database) const;
    void create_database(const std::string& name);
    void drop_database(const std::string& name);
    // What psql prints, unaligned, without its last newline. Throws if the statement fails.
    std::string psql(const std::string& database, const std::string& sql) const;
    std::string log() const;

    static const std::string& user();  // "postgres" as root, else the caller
    static const std::filesystem::path& binaries();

private:
    bool is_ready() const;
    std::vector<pid_t> processes() const;

    TempDir directory_;
    int port_;
    std::unique_ptr<Process> process_;
};

}  // namespace tests
