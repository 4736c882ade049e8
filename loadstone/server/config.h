#pragma once
// Config: every setting of the server, with its default. A setting has one key, spelt three ways:
//   campus.toml   listen = "127.0.0.1:8080"      [http] idle_timeout_ms = 75000
//   environment   CAMPUS_LISTEN                   CAMPUS_HTTP_IDLE_TIMEOUT_MS
//   command line  --listen                        --http-idle-timeout-ms
// The command line wins over the environment, the environment over the file. An unknown key or a
// bad value is an Error invalid_argument that names the key and where it stands.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/analytics/options.h"
#include "loadstone/base/log.h"
#include "loadstone/cache/cache.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/queue_bounds.h"
#include "loadstone/jobs/runner.h"
#include "loadstone/module/site.h"
#include "loadstone/net/http_server.h"
#include "loadstone/outbound/http.h"
#include "loadstone/outbound/mail.h"
#include "loadstone/store/database.h"

namespace loadstone::server {

// A sandbox is started by servers that run jobs, and by nobody else (internal/sandbox.h).
enum class Role { all, web, work, sandbox };
enum class MetricsAccess { local, everyone, off };

struct Config {
    std::string data = "./var";
    module::Site site;
    Role role = Role::all;
    int threads = 0;      // event loops; 0: one per core
    int cpu_threads = 0;  // CPU lane; 0: one per core
    // Those that wait hold places of their module: fewer than its budget, so that its reads have
    // some.
    std::size_t cpu_queue_max = 128;
    bool cpu_in_background = true;  // hashing yields to the loops
    std::chrono::milliseconds drain{20'000};
    std::chrono::milliseconds drain_delay{0};  // not ready, but serving, before it drains
    bool spans = true;                         // off only to measure what they cost
    // Pairs of a statement and a route or job that each thread tells apart in the statistics.
    std::size_t statements_max = telemetry::StatementTable::entries_max_default;
    MetricsAccess metrics = MetricsAccess::local;
    log::Level log_level = log::Level::info;
    std::string log_format = "auto";  // "text", "json"; auto: text on a terminal
    net::HttpOptions http;
    // Of the connections: of modules that declare none; of single ones, whatever they declare.
    store::ConnectionShare share;
    std::vector<store::ModuleShare> shares;
    store::DatabaseOptions database;
    outbound::MailOptions mail;
    outbound::HttpClientOptions http_client;
    jobs::RunnerOptions jobs;
    // This program's arguments, its name first, that make it the sandbox of this server (role
    // `sandbox`), but for the last: the server's URL. Empty: there is none, and suspects wait for
    // another server's.
    std::vector<std::string> sandbox_arguments;
    jobs::Retention jobs_kept;
    std::vector<jobs::QueueBound> jobs_bounds;
    cache::CacheOptions cache;
    bool cache_is_on = true;
    bool cache_is_warm = false;  // what is kept is kept for the next start
    analytics::Options analytics;
};

struct Setting {
    std::string key;   // "listen", "http.idle_timeout_ms"
    std::string hint;  // of its value: "HOST:PORT"
    std::string help;
    bool everyday = false;  // shown in --help; the `settings` command shows all
    std::function<void(std::string_view value)>
        set;  // throws invalid_argument saying what is wanted
    std::function<std::string()> get;
    bool is_list = false;  // may be given several times, in TOML as an array; else between spaces
};

// The settings of `config`, which must outlive them.
std::vector<Setting> settings_of(Config& config);

// "http.idle_timeout_ms" -> "--http-idle-timeout-ms", "CAMPUS_HTTP_IDLE_TIMEOUT_MS".
std::string flag_name(const Setting& setting);
std::string variable_name(const Setting& setting, std::string_view program);

// A URL as it may be shown and logged: its password, in the authority or as a parameter, is "***".
std::string without_password(const std::string& url);

// "127.0.0.1:8080", "[::1]:8080".
std::string authority_of(const std::string& address, std::uint16_t port);

// `file` is read if it is not empty; it must exist then. `environment` gives variables by name.
void read_config_file(const std::string& file, const std::vector<Setting>& settings);
void read_environment(const std::vector<Setting>& settings, std::string_view program,
                      char** environment);
// Defaults that depend on others (database and mail under the data folder, threads).
void complete(Config& config);

}  // namespace loadstone::server
