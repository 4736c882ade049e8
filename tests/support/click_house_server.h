#pragma once
// ClickHouseServer: a ClickHouse of the test's own, on a free port of 127.0.0.1, in a temporary
// folder, with an account that has a password.

#include <memory>
#include <string>

#include "tests/support/process.h"

namespace tests {

class ClickHouseServer {
public:
    ClickHouseServer();
    ~ClickHouseServer();

    void kill();  // from any thread
    // Again on its folder and its port; from the thread that made it: it ends with that.
    void start();
    bool is_running() { return process_->is_running(); }
    // http://campus:...@127.0.0.1:PORT/NAME; the database is made.
    std::string url(const std::string& database);
    // Runs a statement as an operator would, in the database; gives what it prints.
    std::string run(const std::string& database, const std::string& statement);

private:
    void write_configuration() const;

    TempDir directory_;
    const int port_;
    std::unique_ptr<Process> process_;
};

}  // namespace tests
