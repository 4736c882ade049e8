#pragma once
// Server: constructs every part from a Config and the modules, starts them in order of dependency,
// drains and stops them in the reverse order. The only place that knows all.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loadstone/cache/views.h"
#include "loadstone/module/module.h"
#include "loadstone/server/config.h"
#include "loadstone/store/migrations.h"

namespace loadstone::server {

class Server {
public:
    // `modules` in dependency order. Opens the database and applies migrations. Throws Error.
    Server(const Config& config, std::vector<Module> modules, std::string title,
           std::string version);
    ~Server();

    // Listens and runs jobs, as the role says. Throws Error.
    void start();
    std::uint16_t port() const noexcept;  // 0 where no HTTP is served
    jobs::Runner::SandboxState sandbox_state() const;
    // Stops accepting, lets requests and jobs end within `drain`. False if something would not end:
    // the process must then exit without tearing the loops down.
    bool stop(std::chrono::milliseconds drain);

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

// The tables of facts that the modules declare.
std::vector<analytics::FactTable> facts_of(const std::vector<Module>& modules);
// What the modules declare of derived data.
cache::Sources views_of(const std::vector<Module>& modules);
// What the modules declare; the limit outbound::provider_limit has the numbers of the settings.
jobs::Declarations jobs_of(const std::vector<Module>& modules, const Config& config);
// The modules' migrations, the framework's own first.
std::vector<store::ModuleMigrations> migrations_of(const std::vector<Module>& modules);

// The routes of the modules and of the server itself (/healthz, /readyz, /metrics, /openapi.json).
std::vector<std::unique_ptr<net::Route>> routes_of(const std::vector<Module>& modules);

}  // namespace loadstone::server
