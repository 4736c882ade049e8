#include "tests/support/click_house_server.h"

#include <signal.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/wait_until.h"

namespace tests {

namespace {

const char* const account = "campus:pass%27word";  // with what a URL and a literal must escape

}  // namespace

ClickHouseServer::ClickHouseServer() : port_(free_port()) {
    write_configuration();
    start();
}

ClickHouseServer::~ClickHouseServer() { process_->signal(SIGKILL); }

// As tests/process/harness/clickhouse.py.
void ClickHouseServer::write_configuration() const {
    const std::string folder = directory_.path();
    std::ofstream(directory_.path() / "config.xml")
        << "<yandex><logger><level>warning</level><console>1</console></logger>"
        << "<listen_host>127.0.0.1</listen_host><http_port>" << port_ << "</http_port><path>"
        << folder << "/data/</path><tmp_path>" << folder << "/tmp/</tmp_path><user_files_path>"
        << folder << "/files/</user_files_path><mark_cache_size>16777216</mark_cache_size>"
        << "<users_config>users.xml</users_config><default_profile>default</default_profile>"
        << "<default_database>default</default_database></yandex>";
    std::ofstream(directory_.path() / "users.xml")
        << "<yandex><profiles><default/></profiles><quotas><default/></quotas><users><campus>"
        << "<password>pass'word</password><networks><ip>127.0.0.1</ip></networks>"
        << "<profile>default</profile><quota>default</quota></campus></users></yandex>";
}

void ClickHouseServer::start() {
    ProcessOptions options;
    options.arguments = {"/usr/sbin/clickhouse-server",
                         "--config-file=" + (directory_.path() / "config.xml").string()};
    options.output = directory_.path() / "log";
    options.directory = directory_.path();
    process_ = std::make_unique<Process>(options);
    const bool has_started = wait_until(
        [this] { return !process_->is_running() || run("default", "select 1") == "1\n"; });
    if (has_started && process_->is_running()) return;
    std::ostringstream text;
    text << std::ifstream(directory_.path() / "log").rdbuf();
    throw std::runtime_error("ClickHouse does not start: " + text.str());
}

void ClickHouseServer::kill() { process_->signal(SIGKILL); }

std::string ClickHouseServer::url(const std::string& database) {
    run("default", "create database if not exists " + database);
    return "http://" + std::string(account) + "@127.0.0.1:" + std::to_string(port_) + "/" +
           database;
}

std::string ClickHouseServer::run(const std::string& database, const std::string& statement) {
    const auto done =
        run_command({"curl", "-sS", "--data-binary", statement,
                     "http://" + std::string(account) + "@127.0.0.1:" + std::to_string(port_) +
                         "/?database=" + database});
    return done.output;
}

}  // namespace tests
