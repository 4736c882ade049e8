#pragma once
// PgBouncer: in transaction mode in front of a PostgresServer.

#include <memory>
#include <string>

#include "tests/support/postgres_server.h"
#include "tests/support/process.h"

namespace tests {

class PgBouncer {
public:
    explicit PgBouncer(const PostgresServer& server, int server_connections = 20);
    PgBouncer(const PgBouncer&) = delete;
    PgBouncer& operator=(const PgBouncer&) = delete;
    ~PgBouncer();

    // postgres://postgres@127.0.0.1:PORT/DATABASE?pooler=transaction
    std::string url(const std::string& database) const;
    std::string log() const;

private:
    TempDir directory_;
    int port_;
    std::unique_ptr<Process> process_;
};

}  // namespace tests
