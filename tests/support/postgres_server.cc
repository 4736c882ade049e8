#include "tests/support/postgres_server.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/wait_until.h"

namespace tests {

namespace fs = std::filesystem;

namespace {

constexpr auto patience = std::chrono::seconds(30);

std::string read_file(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void require(const CommandResult& result, const std::string& what) {
    if (result.exit_code != 0) throw std::runtime_error(what + " failed: " + result.output);
}

void make_cluster(const fs::path& data) {
    require(run_command({PostgresServer::binaries() / "initdb", "--no-sync", "-D", data, "-U",
                         "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"},
                        patience, PostgresServer::user()),
            "initdb");
}

// initdb takes a second, a copy a third of that. Made under a lock and renamed into place, so that
// whoever sees it sees it whole.
fs::path template_cluster() {
    const fs::path home = "/tmp/loadstone-test-postgres-" + std::to_string(::geteuid());
    const fs::path made = home / "template-1";
    fs::create_directories(home);
    const int lock = ::open((home / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || ::flock(lock, LOCK_EX) != 0)
        throw std::runtime_error("cannot lock the template");
    if (!fs::exists(made)) {
        const TempDir fresh(PostgresServer::user());
        const fs::path data = fresh.path() / "data";
        make_cluster(data);
        require(run_command({"cp", "-a", data, home / "unfinished"}), "cp");
        fs::rename(home / "unfinished", made);
    }
    ::close(lock);
    return made;
}

}  // namespace

const std::string& PostgresServer::user() {
    static const std::string name = is_root() ? "postgres" : "";
    return name;
}

const fs::path& PostgresServer::binaries() {
    static const fs::path path = "/usr/lib/postgresql/15/bin";
    return path;
}

PostgresServer::PostgresServer(const PostgresOptions& options)
    : directory_(user()), port_(free_port()) {
    const fs::path data = directory_.path() / "data";
    if (options.is_of_own_system) {
        make_cluster(data);
    } else if (options.replica_of == nullptr) {
        require(run_command({"cp", "-a", template_cluster(), data}), "cp");
    } else {
        require(run_command({binaries() / "pg_basebackup", "-R", "--no-sync", "-c", "fast", "-X",
                             "stream", "-D", data, "-h", options.replica_of->socket_directory(),
                             "-p", std::to_string(options.replica_of->port()), "-U", "postgres"},
                            patience, user()),
                "pg_basebackup");
    }
    std::ofstream configuration(data / "postgresql.conf", std::ios::app);
    configuration << "listen_addresses = '127.0.0.1'\n"
                  << "port = " << port_ << "\n"
                  << "unix_socket_directories = '" << directory_.path().string() << "'\n"
                  << "shared_buffers = 32MB\nmax_connections = 100\nmax_wal_size = 256MB\n"
                  << "fsync = " << (options.fsync ? "on" : "off") << "\n"
                  << "full_page_writes = " << (options.fsync ? "on" : "off") << "\n"
                  << "log_min_messages = warning\nlog_timezone = UTC\n";
    for (const auto& [name, value] : options.settings)
        configuration << name << " = " << value << "\n";
    if (options.tls) {
        require(run_command(
                    {"openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj",
                     "/CN=localhost", "-out", data / "server.crt", "-keyout", data / "server.key"},
                    patience, user()),
                "openssl");
        configuration << "ssl = on\n";
    }
    configuration.close();
    start();
}

PostgresServer::~PostgresServer() {
    if (process_ == nullptr) return;
    thaw();
    process_->signal(SIGQUIT);
    process_->wait(patience);
}

void PostgresServer::start() {
    ProcessOptions options;
    options.arguments = {binaries() / "postgres", "-D", directory_.path() / "data"};
    options.output = directory_.path() / "log";
    options.directory = directory_.path();
    options.user = user();
    options.death_signal = SIGQUIT;  // its children end with it
    process_ = std::make_unique<Process>(options);
    if (!wait_until([this] { return is_ready() || !process_->is_running(); }, patience) ||
        !is_ready()) {
        throw std::runtime_error("PostgreSQL does not start: " + log());
    }
}

// The eighth line of postmaster.pid is its state.
bool PostgresServer::is_ready() const {
    std::istringstream lines(read_file(directory_.path() / "data" / "postmaster.pid"));
    std::string line;
    std::string pid;
    for (int i = 0; i < 8 && std::getline(lines, line); ++i) {
        if (i == 0) pid = line;
    }
    return line.starts_with("ready") && process_ != nullptr &&
           pid == std::to_string(process_->pid());
}

void PostgresServer::stop(Stop how) {
    process_->signal(how == Stop::fast ? SIGINT : SIGQUIT);
    if (!process_->wait(patience)) throw std::runtime_error("PostgreSQL does not stop: " + log());
}

void PostgresServer::restart(Stop how) {
    stop(how);
    start();
}

void PostgresServer::follow(const PostgresServer& primary) {
    const fs::path data = directory_.path() / "data";
    std::ofstream(data / "standby.signal").flush();
    std::ofstream(data / "postgresql.auto.conf", std::ios::app)
        << "primary_conninfo = 'host=" << primary.socket_directory() << " port=" << primary.port()
        << " user=postgres'\n";
}

std::vector<pid_t> PostgresServer::processes() const {
    std::vector<pid_t> all{process_->pid()};
    const std::string own = std::to_string(process_->pid());
    std::istringstream children(read_file("/proc/" + own + "/task/" + own + "/children"));
    for (pid_t child = 0; children >> child;) all.push_back(child);
    return all;
}

void PostgresServer::freeze() {
    process_->signal(SIGSTOP);  // first, so that no child comes after the list
    for (const pid_t pid : processes()) ::kill(pid, SIGSTOP);
}

void PostgresServer::thaw() {
    if (!process_->is_running()) return;
    for (const pid_t pid : processes()) ::kill(pid, SIGCONT);
}

std::string PostgresServer::socket_directory() const { return directory_.path().string(); }

std::string PostgresServer::url(const std::string& database) const {
    return "postgres://postgres@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

void PostgresServer::create_database(const std::string& name) {
    psql("postgres", "create database \"" + name + "\"");
}

void PostgresServer::drop_database(const std::string& name) {
    psql("postgres", "drop database if exists \"" + name + "\" with (force)");
}

std::string PostgresServer::psql(const std::string& database, const std::string& sql) const {
    const auto result = run_command(
        {binaries() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h",
         socket_directory(), "-p", std::to_string(port_), "-U", "postgres", "-c", sql, database},
        patience);
    require(result, "psql");
    std::string output = result.output;
    if (!output.empty() && output.back() == '\n') output.pop_back();
    return output;
}

std::string PostgresServer::log() const { return read_file(directory_.path() / "log"); }

}  // namespace tests
