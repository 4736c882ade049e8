#include "loadstone/server/server.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <deque>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "loadstone/admission/bulkhead.h"
#include "loadstone/admission/rate_limits.h"
#include "loadstone/analytics/analytics.h"
#include "loadstone/analytics/feed.h"
#include "loadstone/attribution/why.h"
#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/base/log.h"
#include "loadstone/cache/cache.h"
#include "loadstone/cache/verify.h"
#include "loadstone/jobs/kind_stats.h"
#include "loadstone/jobs/queue.h"
#include "loadstone/jobs/runner.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/internal/db_report.h"
#include "loadstone/server/internal/housekeeping.h"
#include "loadstone/server/internal/sandbox.h"
#include "loadstone/server/internal/shares.h"
#include "loadstone/server/internal/system_routes.h"
#include "loadstone/server/internal/warmth.h"
#include "loadstone/store/coalesced_writes.h"
#include "loadstone/store/migrations.h"

namespace loadstone::server {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds snapshot_every{10};
// `why` looks back a minute, and at the start to the start.
constexpr std::size_t snapshots_kept = 7;
constexpr seconds build_again_after{5};  // where it has failed
constexpr seconds sandbox_patience{15};  // it hands back what has not ended in time

// A new one is of this user alone: it holds password hashes and everybody's mail.
void make_data_folder(const std::string& path) {
    std::error_code failed;
    const bool made = std::filesystem::create_directories(path, failed);
    if (!failed && made)
        std::filesystem::permissions(path, std::filesystem::perms::owner_all, failed);
    if (failed)
        throw Error(Errc::unavailable, fmt::format("the data folder \"{}\" cannot be made: {}",
                                                   path, failed.message()));
    using std::filesystem::perms;
    const auto mode = std::filesystem::status(path, failed).permissions();
    if (!failed && (mode & (perms::group_write | perms::others_write)) != perms::none)
        log::warning("others than its owner may change the data folder", {{"data", path}});
}

std::string own_url(const net::HttpOptions& http, std::uint16_t port) {
    const bool any = http.address == "0.0.0.0" || http.address == "::";
    return fmt::format("{}://{}", http.tls_certificate.empty() ? "http" : "https",
                       authority_of(any ? "127.0.0.1" : http.address, port));
}

// Each connection is a file to the kernel. The soft limit is raised to the hard one, and if that
// does not hold all that the settings allow, fewer connections are taken, so that database, mail
// and logs can always open theirs.
Config fitted_to_open_files(Config config) {
    net::HttpLimits& limits = config.http.limits;
    constexpr std::size_t own = 256;  // database, mail, admin socket, listening
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return config;
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    const std::size_t most = files.rlim_cur;
    const std::size_t room = most > 2 * own ? most - own : most / 2;
    if (room >= limits.connections_max) return config;
    log::warning("fewer connections are taken than http.connections_max: the limit of open files",
                 {{"open_files", most}, {"connections", room}, {"set", limits.connections_max}});
    limits.connections_max = room;
    limits.connections_per_address_max =
        std::min(limits.connections_per_address_max, std::max<std::size_t>(1, room / 2));
    return config;
}

const char* role_name(Role role) {
    switch (role) {
        case Role::all: return "all";
        case Role::web: return "web";
        case Role::work: return "work";
        case Role::sandbox: return "sandbox";
    }
    return "";
}

}  // namespace

struct Server::Impl {
    Impl(const Config& server_config, std::vector<Module> all, std::string app_title,
         std::string app_version)
        : config(fitted_to_open_files(server_config)),
          modules(std::move(all)),
          title(std::move(app_title)),
          version(std::move(app_version)),
          registry(config.spans, config.statements_max),
          loops({.threads = config.threads,
                 .blocked_after = milliseconds(50),
                 .slices = config.spans},
                registry),
          cpu({.name = "cpu",
               .threads = config.cpu_threads,
               .queue_max = config.cpu_queue_max,
               .in_background = config.cpu_in_background},
              registry),
          cpu_lane{cpu},
          site(config.site),
          http_client(config.http_client, registry),
          recorder(facts_of(modules), config.analytics.waiting_max, registry),
          column_store(config.analytics, registry),
          rate_limits(config.http.rate_limits, config.http.rate_limit_keys_max, registry),
          statement_budgets(config.database.budget, registry) {
        // What can be wrong with the settings shows before the schema is changed, which cannot be
        // undone.
        make_data_folder(config.data);
        make_data_folder(site.files);
        mailer = outbound::Mailer::open(config.mail, registry);
        make_bulkheads();
        set_statement_budgets();
        store::DatabaseOptions shared = config.database;
        shared.shares = internal::shares_of(modules, config);
        auto routes = routes_of(modules);
        const std::string openapi =
            net::HttpServer::openapi(routes, title, version, !config.http.tls_certificate.empty());
        const bool has_http = config.role == Role::all || config.role == Role::web;
        if (has_http) {
            http =
                std::make_unique<net::HttpServer>(config.http, std::move(routes), request_bulkheads,
                                                  session_resolver(), loops, services, registry);
            http->listen();
        }
        if (site.url.empty()) {
            if (config.role == Role::work)
                log::warning("public_url is not set: links in mail lead to this machine");
            site.url = own_url(config.http, http ? http->port() : config.http.port);
        }
        const auto plan = migrations_of(modules);
        for (const auto& step : store::migrate(config.database, plan)) {
            log::info("migrated",
                      {{"module", step.module}, {"step", step.number}, {"title", step.title}});
        }
        database = store::open_database(shared, registry);
        open_cache();
        queue = std::make_unique<jobs::Queue>(jobs_of(modules, config), *written, registry);
        system =
            std::make_unique<internal::SystemState>(registry, *database, config.metrics, openapi);
        services.add<telemetry::Registry>(registry);
        services.add<store::Database>(*written);
        services.add<store::CoalescedWrites>(coalesced_writes);
        if (config.cache_is_on) services.add<cache::Cache>(*cache);
        services.add<outbound::Mailer>(*mailer);
        services.add<outbound::HttpClient>(http_client);
        services.add<jobs::Queue>(*queue);
        services.add<runtime::CpuLane>(cpu_lane);
        services.add<module::Site>(site);
        services.add<store::StatementBudgets>(statement_budgets);
        services.add<admission::RateLimits>(rate_limits);
        services.add<internal::SystemState>(*system);
        services.add<analytics::Recorder>(recorder);
        services.add<analytics::Analytics>(column_store);
        if (!recorder.tables().empty())
            feed = std::make_unique<analytics::Feed>(column_store, recorder, services, registry);
        if (config.role != Role::web) make_runner();
        housekeeping.emplace(config, *queue, *cache, runner.get(), registry);
        registry.gauge(this, "loadstone_log_dropped_lines", "",
                       "Lines that the reader of the log was too late for",
                       [] { return static_cast<double>(log::dropped_lines()); });
    }
    ~Impl() { registry.remove_gauges(this); }

    void make_runner() {
        jobs::RunnerOptions options = config.jobs;
        if (!config.sandbox_arguments.empty()) {
            std::vector<std::string> arguments = config.sandbox_arguments;
            arguments.push_back(site.url);
            sandbox = std::make_unique<internal::Sandbox>(
                std::move(arguments), [this] { runner->look_for_suspects(); }, registry);
            options.need_sandbox = [this] { sandbox->need(); };
        }
        runner = std::make_unique<jobs::Runner>(options, *queue, job_bulkheads, loops, services,
                                                registry);
    }

    // Other nodes may keep answers, so what is written is recorded whether or not this one does.
    void open_cache() {
        cache::CacheOptions options = config.cache;
        options.has_positions = !config.database.replicas.urls.empty();
        options.has_other_nodes = database->dialect() == store::Dialect::postgres;
        const cache::Sources views = views_of(modules);
        aggregates = views.aggregates;
        cache = std::make_unique<cache::Cache>(options, views, *database, registry);
        written = &cache->database();
        if (config.cache_is_on && config.cache_is_warm)
            warmth = std::make_unique<internal::Warmth>(*cache, services, loops, config.data);
    }

    void set_statement_budgets() {
        // Each module has counters of its own, whatever its budget.
        for (const Module& module : modules)
            statement_budgets.set(module.name,
                                  module.budget.statements.value_or(config.database.budget));
    }

    void make_bulkheads() {
        add_bulkhead(request_bulkheads, "loadstone", "loadstone", 64, 256, milliseconds(500));
        for (const Module& module : modules) {
            const module::Budget& budget = module.budget;
            add_bulkhead(request_bulkheads, module.name, module.name, budget.requests_max,
                         budget.request_queue_max, budget.queue_wait_max);
            const std::string heavy = net::heavy_bulkhead(module.name);
            add_bulkhead(request_bulkheads, heavy, heavy, budget.heavy_requests_max,
                         budget.heavy_request_queue_max, budget.queue_wait_max);
            // Jobs for which it has no room are not claimed, so that none waits here.
            add_bulkhead(job_bulkheads, module.name, module.name + ".jobs", budget.jobs_max, 0,
                         milliseconds(0));
        }
    }
    void add_bulkhead(std::map<std::string, admission::Bulkhead*>& of, const std::string& module,
                      std::string name, std::size_t concurrency, std::size_t queue_max,
                      milliseconds wait) {
        admission::BulkheadOptions options;
        options.name = std::move(name);
        options.concurrency_max = concurrency;
        options.queue_max = queue_max;
        options.queue_wait_max = wait;
        bulkheads.push_back(std::make_unique<admission::Bulkhead>(options, registry));
        of.emplace(module, bulkheads.back().get());
    }

    net::SessionResolver session_resolver() const {
        for (const Module& module : modules) {
            if (module.sessions) return module.sessions;
        }
        return [](Context&, std::string_view) -> Task<std::optional<runtime::Session>> {
            co_return std::nullopt;
        };
    }

    Task<void> build_aggregates();
    std::string answer(std::string_view line);
    void take_snapshot();

    const Config config;
    const std::vector<Module> modules;
    const std::string title, version;
    telemetry::Registry registry;
    runtime::Loops loops;
    runtime::Lane cpu;
    runtime::CpuLane cpu_lane;
    module::Site site;
    outbound::HttpClient http_client;
    analytics::Recorder recorder;
    analytics::Analytics column_store;
    admission::RateLimits rate_limits;
    runtime::Services services;
    store::StatementBudgets statement_budgets;
    store::CoalescedWrites coalesced_writes{registry};
    std::unique_ptr<store::Database> database;
    std::unique_ptr<cache::Cache> cache;
    std::unique_ptr<internal::Warmth> warmth;
    std::vector<const cache::Aggregate*> aggregates;
    store::Database* written = nullptr;  // the database, as applications see it
    std::unique_ptr<outbound::Mailer> mailer;
    std::unique_ptr<jobs::Queue> queue;
    std::unique_ptr<internal::SystemState> system;
    std::vector<std::unique_ptr<admission::Bulkhead>> bulkheads;
    net::Bulkheads request_bulkheads;
    jobs::JobBulkheads job_bulkheads;
    std::unique_ptr<net::HttpServer> http;
    std::unique_ptr<jobs::Runner> runner;
    std::unique_ptr<internal::Sandbox> sandbox;
    std::unique_ptr<analytics::Feed> feed;

    std::atomic<bool> stopping{false};
    runtime::Event stop_event;
    std::optional<internal::Housekeeping> housekeeping;
    runtime::TaskScope background{"housekeeping"};

    const std::chrono::steady_clock::time_point started_at = std::chrono::steady_clock::now();
    std::deque<telemetry::Snapshot> snapshots;  // of the admin socket's thread
    std::unique_ptr<internal::AdminSocket> admin;
};

// Those that are new in this version. Until then readers recompute them.
Task<void> Server::Impl::build_aggregates() {
    const auto end_with_server = [this](std::int64_t, std::int64_t) {
        if (stopping) throw Error(Errc::cancelled, "the server stops");
    };
    while (!stopping) {
        try {
            co_await cache::build(services, aggregates, end_with_server);
            co_return;
        } catch (const Error& error) {
            if (error.code() != Errc::cancelled)
                log::warning("aggregates could not be built; it is tried again",
                             {{"error", error.message()}});
        }
        const Deadline next = Deadline::in(build_again_after);
        co_await stop_event.wait(next);
    }
}

void Server::Impl::take_snapshot() {
    snapshots.push_back(registry.snapshot());
    if (snapshots.size() > snapshots_kept) snapshots.pop_front();
}

std::string Server::Impl::answer(std::string_view line) {
    if (line == "why" || line == "why since-start") {
        const double age =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - started_at).count();
        const telemetry::Snapshot* before =
            line == "why" && snapshots.size() == snapshots_kept ? &snapshots.front() : nullptr;
        const std::string late = feed ? analytics::lateness_of(feed->report()) : std::string();
        return attribution::to_text(attribution::rank(registry.snapshot(), before, age)) + late;
    }
    if (line == "jobs") return to_json(jobs::kind_counts(*queue, registry));
    if (line == "metrics") return registry.prometheus();
    if (line == "analytics") return to_json(feed ? feed->report() : analytics::FeedReport());
    if (line == "db") return internal::statement_report(registry, *database);
    return fmt::format("error: unknown request \"{}\"\n", line);
}

Server::Server(const Config& config, std::vector<Module> modules, std::string title,
               std::string version)
    : impl_(std::make_unique<Impl>(config, std::move(modules), std::move(title),
                                   std::move(version))) {}

Server::~Server() = default;

void Server::start() {
    Impl& impl = *impl_;
    if (!impl.config.http.rate_limits) log::warning("rate limits are off: for load tests only");
    impl.loops.start();
    impl.database->start(impl.loops);
    if (impl.http) impl.http->start();
    if (impl.config.role != Role::sandbox) {
        impl.housekeeping->start(impl.loops, impl.services, impl.stop_event, impl.background);
        impl.background.spawn(impl.loops.executor(0), impl.build_aggregates());
        impl.background.spawn(impl.loops.executor(0),
                              impl.cache->folding().run(impl.services, impl.stop_event));
    }
    if (impl.warmth) impl.warmth->load(impl.background);
    if (impl.feed) {
        impl.background.spawn(impl.loops.executor(0), impl.feed->run());
        impl.background.spawn(impl.loops.executor(0), impl.feed->run_measuring());
    }
    if (impl.runner) impl.runner->start();
    try {
        impl.admin = std::make_unique<internal::AdminSocket>(
            (std::filesystem::path(impl.config.data) / "run").string(),
            [&impl](std::string_view line) { return impl.answer(line); },
            [&impl] { impl.take_snapshot(); }, snapshot_every);
    } catch (const Error& error) {
        log::warning("no admin socket: `why` will not find this server",
                     {{"error", error.message()}});
    }
    log::info("started", {{"database", without_password(impl.config.database.url)},
                          {"mail", without_password(impl.config.mail.url)},
                          {"role", role_name(impl.config.role)},
                          {"version", impl.version},
                          {"data", impl.config.data},
                          {"loops", impl.config.threads}});
    if (impl.http) {
        log::info("listening",
                  {{"address", authority_of(impl.config.http.address, impl.http->port())}});
    }
}

std::uint16_t Server::port() const noexcept { return impl_->http ? impl_->http->port() : 0; }

jobs::Runner::SandboxState Server::sandbox_state() const { return impl_->runner->sandbox_state(); }

bool Server::stop(milliseconds drain) {
    Impl& impl = *impl_;
    impl.system->draining = true;
    std::this_thread::sleep_for(impl.config.drain_delay);
    const Deadline deadline = Deadline::in(drain);
    impl.stopping = true;
    impl.stop_event.set();
    bool ended = true;
    // What runs gets as long as the requests do.
    if (impl.runner) impl.runner->stop_claiming();
    if (impl.sandbox) impl.sandbox->ask_to_end();
    if (impl.http) ended = impl.http->drain(deadline) && ended;
    if (impl.runner) ended = impl.runner->stop(deadline) && ended;
    if (impl.sandbox) impl.sandbox->join(Deadline(deadline.instant() + sandbox_patience));
    if (impl.feed) impl.feed->stop();
    ended = impl.background.join_blocking(Deadline::in(seconds(12))) && ended;
    impl.admin.reset();
    impl.mailer->stop();
    impl.http_client.stop();
    if (!ended) return false;
    if (impl.warmth && !impl.warmth->save()) return false;
    impl.database->stop();
    impl.loops.stop();
    return true;
}

}  // namespace loadstone::server
