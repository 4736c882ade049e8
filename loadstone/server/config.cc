#include "loadstone/server/config.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "loadstone/base/error.h"
#include "loadstone/runtime/cpu.h"
#include "loadstone/server/internal/setting_list.h"

namespace loadstone::server {

namespace {

using internal::choice;
using internal::number;
using internal::refuse;
using internal::SettingList;

const std::initializer_list<std::pair<std::string_view, Role>> roles{
    {"all", Role::all}, {"web", Role::web}, {"work", Role::work}};
const std::initializer_list<std::pair<std::string_view, MetricsAccess>> metrics_choices{
    {"local", MetricsAccess::local},
    {"public", MetricsAccess::everyone},
    {"off", MetricsAccess::off}};
const std::initializer_list<std::pair<std::string_view, log::Level>> levels{
    {"debug", log::Level::debug},
    {"info", log::Level::info},
    {"warning", log::Level::warning},
    {"error", log::Level::error}};

bool is_ip_address(const std::string& text) {
    unsigned char bytes[sizeof(in6_addr)];
    return ::inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

// HOST:PORT or [IPv6]:PORT.
void set_listen(net::HttpOptions& http, std::string_view value) {
    const auto colon = value.rfind(':');
    if (colon == std::string_view::npos || colon == 0) refuse("HOST:PORT", value);
    std::string_view host = value.substr(0, colon);
    if (host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    else if (host.find(':') != std::string_view::npos)
        refuse("HOST:PORT, an IPv6 address in brackets", value);
    if (host.empty()) refuse("HOST:PORT", value);
    if (host != "localhost" && !is_ip_address(std::string(host)))
        refuse("an IP address or localhost, and a port", value);
    const std::string_view port = value.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), http.port);
    if (error != std::errc() || end != port.data() + port.size())
        refuse("HOST:PORT with a port from 0 to 65535", value);
    http.address = host;
}

std::string listen_text(const net::HttpOptions& http) {
    return authority_of(http.address, http.port);
}

// As it stands before a path: without a slash at its end.
std::string public_url(std::string_view value) {
    if (value.empty()) return {};
    const std::string_view host = value.substr(std::min(value.find("://"), value.size() - 1) + 1);
    const bool has_host = host.size() > 2 && host[2] != '/';
    const bool is_web = value.starts_with("http://") || value.starts_with("https://");
    if (!is_web || !has_host || value.find_first_of(" \t\r\n?#\"<>@") != std::string_view::npos)
        refuse("http://HOST or https://HOST, with a port or a path if need be", value);
    while (value.ends_with('/')) value.remove_suffix(1);
    return std::string(value);
}

constexpr std::size_t million = 1'000'000;
constexpr std::size_t gigabyte = 1'000'000'000;

void everyday_settings(SettingList& s, Config& c) {
    s.text("data", "DIR", "where everything is kept: database, mail, files, admin socket", c.data)
        .everyday = true;
    s.text("files", "DIR",
           "where files are kept that all servers of a database must see; default: in the data "
           "folder",
           c.site.files);
    s.add(
        "public_url", "URL", "how people reach this server, for links in mail; default: listen",
        [&c](std::string_view v) { c.site.url = public_url(v); }, [&c] { return c.site.url; });
    s.add(
         "listen", "HOST:PORT", "where HTTP is served; port 0: any free one",
         [&c](std::string_view v) { set_listen(c.http, v); }, [&c] { return listen_text(c.http); })
        .everyday = true;
    s.url("database", "URL",
          "sqlite:PATH or postgres://USER@HOST/NAME; default: sqlite in the data folder",
          c.database.url, store::check_url)
        .everyday = true;
    s.urls("replica", "URL",
           "postgres://USER@HOST/NAME of a read replica; may be given several times",
           c.database.replicas.urls, store::check_replica_url)
        .everyday = true;
    s.url("smtp", "URL",
          "smtp://[USER:PASSWORD@]HOST:PORT, smtps://... or maildir:DIR; default: a Maildir in the "
          "data folder",
          c.mail.url, outbound::check_url)
        .everyday = true;
    s.add(
         "mail_from", "ADDRESS", "the sender of mail: Name <address>",
         [&c](std::string_view v) {
             const std::string from(v);
             outbound::check_sender(from);
             c.mail.from = from;
         },
         [&c] { return c.mail.from; })
        .everyday = true;
    s.count("threads", "event loops; 0: one per core", c.threads, 0, 1'024).everyday = true;
    s.one_of("role", "all|web|work", "serve requests, run jobs, or both", c.role, roles).everyday =
        true;
    s.flag("rate_limits", "limits per address and account; off is for load tests",
           c.http.rate_limits)
        .everyday = true;
    s.text("tls_certificate", "FILE", "PEM file; with tls_key, HTTPS is served",
           c.http.tls_certificate)
        .everyday = true;
    s.text("tls_key", "FILE", "PEM file of the certificate's key", c.http.tls_key).everyday = true;
    s.one_of("log_level", "LEVEL", "debug, info, warning or error", c.log_level, levels).everyday =
        true;
    s.add(
         "log_format", "FORMAT", "text, json, or auto: text on a terminal",
         [&c](std::string_view v) {
             c.log_format =
                 choice<std::string>(v, {{"auto", "auto"}, {"text", "text"}, {"json", "json"}});
         },
         [&c] { return c.log_format; })
        .everyday = true;
    s.one_of("metrics", "local|public|off", "who may read /metrics", c.metrics, metrics_choices)
        .everyday = true;
    s.count("store.statements_max",
            "pairs of a statement and a route or job that each thread's statistics tell apart",
            c.statements_max, std::size_t{1}, std::size_t{1'000'000});
    s.flag("spans", "accounts of requests and jobs; off only to measure what they cost", c.spans);
    s.millis("drain_ms", "how long requests and jobs may take to end at a stop", c.drain).everyday =
        true;
    s.millis("drain_delay_ms",
             "how long a stop only fails /readyz first, for a load balancer to see it",
             c.drain_delay, 0);
}

void http_settings(SettingList& s, net::HttpOptions& http) {
    net::HttpLimits& l = http.limits;
    s.count("http.header_bytes_max", "of a request's header", l.header_bytes_max,
            std::size_t{1'024}, million);
    s.count("http.header_fields_max", "of a request", l.header_fields_max, std::size_t{10},
            std::size_t{1'000});
    s.count("http.target_bytes_max", "of a request's target", l.target_bytes_max, std::size_t{256},
            million);
    s.count("http.connections_max", "open at once", l.connections_max, std::size_t{1}, million);
    s.count("http.connections_per_address_max", "open at once from one address",
            l.connections_per_address_max, std::size_t{1}, million);
    s.count("http.requests_per_connection_max", "then it is closed", l.requests_per_connection_max,
            std::size_t{1}, gigabyte);
    s.millis("http.header_timeout_ms", "from a request's first byte to the end of its header",
             l.header_timeout);
    s.millis("http.body_timeout_ms", "for a request's body", l.body_timeout);
    s.millis("http.write_timeout_ms", "for a client to take its answer", l.write_timeout);
    s.millis("http.stream_timeout_ms",
             "for a client to take all of an answer that reads the database as it goes",
             l.stream_timeout);
    s.millis("http.idle_timeout_ms", "between requests", l.idle_timeout);
    s.count("http.response_bytes_max",
            "of an answer that is built in memory; larger ones must be streamed",
            l.response_bytes_max, std::size_t{64 * 1024}, gigabyte);
    s.count("http.gzip_bytes_min", "from which answers are compressed", l.gzip_bytes_min,
            std::size_t{64}, gigabyte);
    s.count("http.rate_limit_keys_max", "addresses remembered by each limit",
            http.rate_limit_keys_max, std::size_t{100}, 10 * million);
}

void store_settings(SettingList& s, Config& c, store::DatabaseOptions& d) {
    store::ConnectionOptions& o = d.connections;
    s.add(
        "store.share", "N/M", "hundredths of the places for writes and for reads of one module",
        [&c](auto v) { c.share = store::connection_share(v); }, [&c] { return text_of(c.share); });
    s.add(
        "store.shares", "NAME=N/M,...", "of single modules, whatever they declare",
        [&c](auto v) { c.shares = store::module_shares(v); }, [&c] { return text_of(c.shares); });
    s.count("store.rows_max",
            "rows that one statement gathers in memory, of modules that declare no budget",
            d.budget.rows_max, store::StatementBudgets::rows_unasked, std::uint64_t{gigabyte});
    s.count("store.bytes_max", "bytes of these", d.budget.bytes_max,
            store::StatementBudgets::bytes_unasked, std::uint64_t{gigabyte});
    s.millis("store.statement_ms", "for one statement, of modules that declare no budget",
             d.budget.time_max);
    s.count("sqlite.group_max", "transactions that share one fsync", d.group_max, std::size_t{1},
            std::size_t{10'000});
    s.count("sqlite.write_queue_max", "transactions that may wait for the writer",
            d.write_queue_max, std::size_t{1}, million);
    s.flag("sqlite.group_commit", "off only to measure what it gives", d.group_commit);
    s.count("sqlite.inline_steps_max", "VM steps of a read before it leaves the loop",
            d.inline_steps_max, std::uint64_t{1'000}, std::uint64_t{gigabyte});
    s.count("sqlite.piece_steps",
            "VM steps after which a computation of a view lets the busy loop's requests go on",
            d.piece_steps, 50, 1'000'000);
    s.count("sqlite.reader_threads", "for heavy reads", d.reader_threads, 1, 256);
    s.millis("sqlite.busy_timeout_ms", "to wait for another process's lock", d.busy_timeout);
    store::StatisticsOptions& t = d.statistics;
    s.count(
        "store.repeats_max",
        "runs of a statement for no more rows than this at one place in a request or job; more is "
        "told as N+1; 0: not looked at",
        t.repeats_max, std::uint32_t{0}, std::uint32_t{1'000'000});
    s.flag("store.strict", "N+1 fails the request or job; for tests", t.strict);
    s.millis("store.slow_ms", "from which `db slow` keeps an execution", t.slow_after, 0);
    s.count("store.slow_kept", "executions that `db slow` keeps", t.slow_kept, std::size_t{1},
            std::size_t{100'000});
    s.count("store.analytic_rows",
            "rows that a statement adds up on the primary, from which it is told of as one for the "
            "column store; 0: not looked at",
            t.analytic_rows, std::uint64_t{0}, std::uint64_t{gigabyte});
    s.millis("store.analytic_log_ms", "between two lines in the log of one of these",
             t.analytic_log_every, 0);
    s.flag(
        "postgres.sample_plans",
        "now and then run a read once more under EXPLAIN, for the rows that it reads and its plan",
        t.samples_plans);
    s.millis("postgres.sample_every_ms", "between two of these", t.sample_every, 10);
    s.millis("postgres.sample_timeout_ms", "for one of these", t.sample_timeout);
    s.count("postgres.left_percent", "of max_connections, for others", o.left_percent, 0, 90);
    s.millis("postgres.negotiate_every_ms", "how often processes agree on it", o.negotiate_every);
    s.count("postgres.reads_max", "connections; 0: three a loop", o.reads_max, 0UL, 9'999UL);
    s.count("postgres.heavy_reads_max", "the same of heavy reads", o.heavy_reads_max, 0UL, 9'999UL);
    s.count("postgres.transactions_max", "connections for transactions", d.transactions_max,
            std::size_t{1}, std::size_t{10'000});
    s.count("postgres.transaction_waiters_max", "that may wait for one", d.transaction_waiters_max,
            std::size_t{0}, million);
    s.count("postgres.pipeline_depth_max", "reads under way per loop", d.pipeline_depth_max,
            std::size_t{1}, std::size_t{100'000});
    s.millis("postgres.connect_timeout_ms", "for a connection", d.connect_timeout);
    s.millis("postgres.outage_patience_ms",
             "how long requests wait for a server that is away, before they are refused at once",
             d.outage_patience, 0);
    s.millis("postgres.statement_timeout_max_ms", "the server's own bound on a statement",
             d.statement_timeout_max);
    store::ReplicaOptions& r = d.replicas;
    s.millis("replicas.wait_max_ms", "how long a read waits for a replica to be far enough",
             r.wait_max, 0);
    s.millis("replicas.heavy_wait_max_ms", "how long a heavy one waits, which may go nowhere else",
             r.heavy_wait_max, 0);
    s.count("replicas.fallback_max",
            "reads at once on the primary because no replica would do; beyond: 503", r.fallback_max,
            std::size_t{0}, million);
    s.millis("replicas.lag_max_ms", "a replica further behind gets no reads", r.lag_max);
    s.millis("replicas.silent_max_ms", "nor one that does not answer for so long", r.silent_max);
    s.millis("replicas.ask_every_ms", "how often servers are asked where they are", r.ask_every);
    s.count("postgres.transaction_attempts_max", "after serialisation failures and deadlocks",
            d.transaction_attempts_max, 1, 100);
}

void mail_and_job_settings(SettingList& s, Config& c) {
    s.flag("mail.starttls_required", "refuse a server that offers no STARTTLS",
           c.mail.starttls_required);
    s.flag("mail.resend_unknown",
           "send a mail again whose outcome is unknown: it may arrive twice, else be lost",
           c.mail.resend_unknown);
    s.count("mail.transfers_max", "mails sent at once", c.mail.transfers_max, std::size_t{1},
            outbound::transfers_limit);
    s.millis("mail.connect_timeout_ms", "for the mail server", c.mail.connect_timeout);
    s.millis("mail.transfer_timeout_ms", "for one mail", c.mail.transfer_timeout);
    s.add(
        "mail.rate_max", "N", "mails per second; throttling replies lower it",
        [&c](std::string_view v) { c.mail.rate_max = number<int>(v, 1, 100'000); },
        [&c] { return fmt::format("{}", c.mail.rate_max); });
    s.count("mail.provider_rate_max",
            "mails per second to one domain, in all processes; 0: any number",
            c.mail.provider_rate_max, 0, 100'000);
    s.count("mail.provider_burst_max", "mails to one domain at once after a pause",
            c.mail.provider_burst_max, 1, 100'000);
    s.count("jobs.running_max", "at once in this process", c.jobs.running_max, std::size_t{1},
            std::size_t{10'000});
    s.count("jobs.claim_batch_max", "claimed in one transaction", c.jobs.claim_batch_max,
            std::size_t{1}, std::size_t{10'000});
    s.count("jobs.lend_places_min",
            "limits of at least so many places lend some to processes; 0: nothing is lent",
            c.jobs.lend_places_min, 0, 1'000'000);
    s.millis("jobs.heartbeat_every_ms", "how often this process says that it lives",
             c.jobs.heartbeat_every);
    s.millis("jobs.dead_after_ms", "without a heartbeat, a process's jobs are taken over",
             c.jobs.dead_after);
    s.millis("jobs.poll_every_ms", "fallback when a wake-up was lost", c.jobs.poll_every);
    s.count("jobs.dead_letters_days", "how long dead letters are kept; 0: for ever",
            c.jobs_kept.dead_letters_days, 0, 36'500);
    s.add(
        "jobs.bounds", "QUEUE=N,...",
        "ready jobs of a queue beyond which it takes no more of the kinds that declare a bound",
        [&c](auto v) { c.jobs_bounds = jobs::queue_bounds(v); },
        [&c] { return text_of(c.jobs_bounds); });
    s.count("jobs.crashes_max", "processes a job may take down before it is a dead letter",
            c.jobs.crashes_max, 1, 100);
    s.url("analytics.store", "URL",
          "http://USER:PASSWORD@HOST:PORT/DATABASE of a ClickHouse server, or https; default: "
          "DuckDB in the data folder",
          c.analytics.store, analytics::check_store_url);
    s.millis("analytics.lease_ms",
             "how long one server feeds ClickHouse alone before another may take its place",
             c.analytics.lease, 1'000);
    s.text("analytics.program", "FILE",
           "of the column store; none: loadstone-duckdb beside this program", c.analytics.program);
    s.count("analytics.memory_mb", "of the column store's process; queries that need more use disk",
            c.analytics.memory_mb, 64, 1'000'000);
    s.count("analytics.disk_mb", "that queries may use beyond its memory", c.analytics.disk_mb, 1,
            100'000'000);
    s.count("analytics.threads", "of the column store's process", c.analytics.threads, 1, 1'024);
    s.count("analytics.rollup_recent_rows",
            "rows of a rollup that are merged when nobody asks for it, or a 64th of it",
            c.analytics.rollup_recent_rows, std::int64_t{1}, std::int64_t{10'000'000});
    s.count("analytics.batch_facts", "carried to the column store in one transaction",
            c.analytics.batch_facts, std::int64_t{1}, std::int64_t{100'000});
    s.count("analytics.waiting_max", "facts that may wait for it; then writes that tell some fail",
            c.analytics.waiting_max, std::int64_t{1'000}, std::int64_t{1'000'000'000});
    s.millis("analytics.lag_max_ms",
             "how old the state may be that it shows before the log says what holds facts back",
             c.analytics.lag_max, 1'000);
    s.millis("analytics.answer_lag_max_ms",
             "how old the state may be before questions are refused; 0: they are answered",
             c.analytics.answer_lag_max, 0);
    s.millis("analytics.poll_every_ms", "how often it is looked for new facts",
             c.analytics.poll_every);
    s.count("analytics.queries_max", "at once, of this process", c.analytics.queries_max, 1, 16);
    s.count("analytics.query_queue_max", "queries that may wait for their turn",
            c.analytics.query_queue_max, std::size_t{1}, std::size_t{100'000});
    s.count("analytics.query_rows_max", "rows of a result", c.analytics.query_rows_max,
            std::int64_t{1}, std::int64_t{100'000'000});
    s.count("analytics.query_bytes_max", "bytes of a result", c.analytics.query_bytes_max,
            std::int64_t{1'024}, std::int64_t{1} << 40);
    s.count("analytics.answers_bytes_max",
            "memory of answers that are kept while the store does not change; 0: none",
            c.analytics.answers_bytes_max, std::uint64_t{0}, std::uint64_t{1} << 40);
    s.count("analytics.export_mb_max", "of one exported file", c.analytics.export_mb_max,
            std::int64_t{1}, std::int64_t{1'000'000});
    s.millis("analytics.export_timeout_ms", "when an export is interrupted",
             c.analytics.export_timeout);
    s.millis("analytics.query_timeout_ms", "when a query is interrupted",
             c.analytics.query_timeout);
    s.count("cpu.threads", "of the lane for hashing and other CPU work; 0: one per core",
            c.cpu_threads, 0, 1'024);
    s.count("cpu.queue_max", "tasks that may wait for it", c.cpu_queue_max, std::size_t{1},
            million);
    s.flag("cpu.in_background", "it has only the CPU that requests and jobs leave",
           c.cpu_in_background);
    s.flag("cache.on", "answers of views are kept; off: each is computed", c.cache_is_on);
    s.flag("cache.warm", "a server that stops leaves its kept answers to the one that starts next",
           c.cache_is_warm);
    s.count("cache.bytes_max", "memory of all kept answers", c.cache.bytes_max,
            std::uint64_t{1 << 20}, std::uint64_t{1} << 40);
    s.count(
        "cache.computations_max",
        "views that this process computes at once, at most; fewer if that slows others; on SQLite "
        "a quarter",
        c.cache.computations.max, std::size_t{1}, million);
    s.millis("cache.follow_every_ms",
             "PostgreSQL: so old may be what other processes have written, for sessions that have "
             "not seen it; 0: each read of a view asks",
             c.cache.follow_every);
    s.millis("cache.measure_every_ms",
             "PostgreSQL: the same while views are computed, so that it is known what that does to "
             "others' reads",
             c.cache.measure_every);
    s.count("cache.computations_percent",
            "of a loop's time, that computing views has while requests want more than half of it",
            c.cache.computations.percent, 1, 100);
    s.count("cache.aggregate_shards",
            "connections that change a key of an aggregate at once without waiting (PostgreSQL)",
            c.cache.aggregate_shards, std::int64_t{1}, std::int64_t{1'024});
    s.millis("cache.fold_every_ms",
             "how often what was added to ranked sums becomes part of the ranks (PostgreSQL)",
             c.cache.fold_every);
    s.millis("cache.fill_lease_ms",
             "how long one node may compute a view for all before another one does",
             c.cache.fills.lease);
    s.count("cache.computations_waiting_max", "that wait for it; beyond: 503",
            c.cache.computations.waiting_max, std::size_t{0}, million);
}

}  // namespace

std::vector<Setting> settings_of(Config& config) {
    SettingList settings;
    everyday_settings(settings, config);
    http_settings(settings, config.http);
    store_settings(settings, config, config.database);
    mail_and_job_settings(settings, config);
    return std::move(settings.list);
}

std::string authority_of(const std::string& address, std::uint16_t port) {
    const bool is_v6 = address.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", address, is_v6 ? "]" : "", port);
}

std::string without_password(const std::string& url) {
    std::string shown = url;
    const auto scheme = shown.find("://");
    const auto at = shown.rfind('@');
    if (scheme != std::string::npos && at != std::string::npos && at > scheme) {
        const auto colon = shown.find(':', scheme + 3);
        if (colon < at) shown.replace(colon + 1, at - colon - 1, "***");
    }
    for (auto from = shown.find("password="); from != std::string::npos;
         from = shown.find("password=", from)) {
        from += std::strlen("password=");
        shown.replace(from, shown.find('&', from) - from, "***");
    }
    return shown;
}

void complete(Config& config) {
    const int cores = runtime::usable_cores();
    if (config.threads == 0) config.threads = cores;
    if (config.cpu_threads == 0) config.cpu_threads = cores;
    const std::filesystem::path data(config.data);
    if (config.database.url.empty())
        config.database.url = "sqlite:" + (data / "campus.db").string();
    if (config.mail.url.empty()) config.mail.url = "maildir:" + (data / "mail").string();
    config.analytics.folder = (data / "analytics").string();
    config.analytics.makes_store = config.role != Role::web;
    config.analytics.socket = (data / "analytics" / "store.sock").string();
    if (config.site.files.empty()) config.site.files = (data / "files").string();
    if (config.http.tls_certificate.empty() != config.http.tls_key.empty()) {
        throw Error(Errc::invalid_argument,
                    "tls_certificate and tls_key are given together or not at all");
    }
    if (config.jobs.dead_after <= 3 * config.jobs.heartbeat_every) {
        throw Error(
            Errc::invalid_argument,
            fmt::format(
                "jobs.dead_after_ms ({}) must be more than 3 times jobs.heartbeat_every_ms ({})",
                config.jobs.dead_after.count(), config.jobs.heartbeat_every.count()));
    }
}

}  // namespace loadstone::server
