#include "loadstone/store/database.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/store/internal/backend.h"
#include "loadstone/store/internal/keys_in_progress.h"
#include "loadstone/store/internal/url.h"

namespace loadstone::store {

namespace {

Error bad_url(std::string message) {
    return Error(Errc::invalid_argument, std::move(message)).with_field("database");
}

void require_at_least(std::string_view name, std::int64_t value, std::int64_t least) {
    if (value >= least) return;
    throw Error(Errc::invalid_argument,
                fmt::format("{} is {}, at least {} is needed", name, value, least))
        .with_field(std::string(name));
}

void require_percent(std::string_view name, int value, int least, int most) {
    if (value >= least && value <= most) return;
    throw Error(Errc::invalid_argument,
                fmt::format("{} is {}, it must be {} to {}", name, value, least, most))
        .with_field(std::string(name));
}

void validate(const DatabaseOptions& options) {
    require_at_least("group_max", static_cast<std::int64_t>(options.group_max), 1);
    require_at_least("write_queue_max", static_cast<std::int64_t>(options.write_queue_max), 1);
    require_at_least("inline_steps_max", static_cast<std::int64_t>(options.inline_steps_max), 1);
    require_at_least("piece_steps", options.piece_steps, 1);
    require_at_least("reader_threads", options.reader_threads, 1);
    require_at_least("busy_timeout", options.busy_timeout.count(), 0);
    require_at_least("transactions_max", static_cast<std::int64_t>(options.transactions_max), 1);
    require_at_least("pipeline_depth_max", static_cast<std::int64_t>(options.pipeline_depth_max),
                     1);
    require_at_least("connect_timeout", options.connect_timeout.count(), 1);
    require_at_least("statement_timeout_max", options.statement_timeout_max.count(), 1);
    require_at_least("transaction_attempts_max", options.transaction_attempts_max, 1);
    const ConnectionOptions& connections = options.connections;
    require_at_least("negotiate_every", connections.negotiate_every.count(), 1);
    require_percent("left_percent", connections.left_percent, 0, 90);
    for (const ModuleShare& of : options.shares) {
        require_percent("writes_percent", of.share.writes_percent, 1, 100);
        require_percent("reads_percent", of.share.reads_percent, 1, 100);
    }
    require_at_least("ask_every", options.replicas.ask_every.count(), 1);
    require_at_least("silent_max", options.replicas.silent_max.count(), 1);
    for (const std::string& url : options.replicas.urls) check_replica_url(url);
    if (!options.replicas.urls.empty() && internal::dialect_of(options.url) == Dialect::sqlite)
        throw Error(Errc::invalid_argument, "SQLite has no replicas").with_field("replica");
}

}  // namespace

namespace internal {

Dialect dialect_of(std::string_view url) {
    if (url.starts_with("sqlite:")) return Dialect::sqlite;
    if (url.starts_with("postgres://") || url.starts_with("postgresql://"))
        return Dialect::postgres;
    if (url.empty()) throw bad_url("the database URL is empty");
    // Only what is surely a scheme is shown: the rest may hold a password.
    const auto end =
        url.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    const bool has_scheme = end != std::string_view::npos && end > 0 && url[end] == ':';
    throw bad_url(fmt::format(
        "the database URL's scheme is {}; known are sqlite:PATH and postgres://HOST/NAME",
        has_scheme ? fmt::format("'{}'", url.substr(0, end)) : "missing"));
}

std::string sqlite_path(std::string_view url) {
    std::string_view path = url.substr(std::string_view("sqlite:").size());
    if (path.starts_with("//")) {
        path.remove_prefix(2);
        if (!path.starts_with('/')) {
            throw bad_url(fmt::format("'{}': write sqlite:PATH or sqlite:///ABSOLUTE/PATH", url));
        }
    }
    if (path.empty()) throw bad_url("the database URL 'sqlite:' names no file");
    if (path == ":memory:" || path.ends_with('/') || path.find('\0') != std::string_view::npos) {
        throw bad_url(fmt::format("'{}' does not name a file", url));
    }
    return std::string(path);
}

std::string without_password(std::string_view url) {
    std::string shown(url);
    const auto authority = shown.find("://");
    if (authority != std::string::npos) {
        const auto start = authority + 3;
        // The last '@': a password may hold '@', '/' and '?' that were not escaped.
        const auto at = shown.rfind('@');
        const auto colon = shown.find(':', start);
        if (at != std::string::npos && colon < at) shown.replace(colon + 1, at - colon - 1, "***");
    }
    // libpq also takes it as a parameter.
    for (std::string_view name : {"password=", "sslpassword="}) {
        for (auto found = shown.find(name); found != std::string::npos;
             found = shown.find(name, found + name.size())) {
            const auto start = found + name.size();
            const auto end = std::min(shown.find('&', start), shown.size());
            shown.replace(start, end - start, "***");
        }
    }
    return shown;
}

KeysInProgress::Hold KeysInProgress::hold(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    if (keys_.contains(key)) {
        throw Error(Errc::conflict, "a request with this Idempotency-Key is in progress")
            .with_field("Idempotency-Key");
    }
    if (keys_.size() >= keys_max) {
        throw Error(
            Errc::unavailable,
            fmt::format("{} writes with an Idempotency-Key are in progress, the most there may be",
                        keys_max))
            .with_retry_after(std::chrono::seconds(1));
    }
    keys_.insert(key);
    return Hold(*this, key);
}

std::size_t KeysInProgress::size() const {
    const std::scoped_lock lock(mutex_);
    return keys_.size();
}

void KeysInProgress::release(const std::string& key) noexcept {
    const std::scoped_lock lock(mutex_);
    keys_.erase(key);
}

}  // namespace internal

Database::Database() : keys_in_progress_(std::make_unique<internal::KeysInProgress>()) {}
Database::~Database() = default;

void check_url(const std::string& url) {
    if (internal::dialect_of(url) == Dialect::sqlite)
        internal::sqlite_path(url);
    else
        internal::check_postgres_url(url);
}

void check_replica_url(const std::string& url) {
    if (internal::dialect_of(url) != Dialect::postgres)
        throw Error(Errc::invalid_argument, "a replica is a postgres:// URL").with_field("replica");
    internal::check_postgres_url(url);
}

std::unique_ptr<Database> open_database(const DatabaseOptions& options,
                                        telemetry::Registry& registry) {
    validate(options);
    return internal::dialect_of(options.url) == Dialect::sqlite
               ? internal::open_sqlite(options, registry)
               : internal::open_postgres(options, registry);
}

}  // namespace loadstone::store
