#include "loadstone/store/postgres/internal/servers.h"

#include <algorithm>

#include "loadstone/base/log.h"

namespace loadstone::store::postgres {

Servers::Server::Server(std::string name_of, telemetry::Registry& registry)
    : name(std::move(name_of)),
      served(registry.counter("loadstone_store_replica_reads_total",
                              telemetry::metric_label("server", name), "Reads given to a replica")),
      left(registry.counter("loadstone_store_replica_left_total",
                            telemetry::metric_label("server", name),
                            "Times that a server ceased to be a replica that reads are given to")),
      returned(registry.counter("loadstone_store_replica_returned_total",
                                telemetry::metric_label("server", name),
                                "Times that it became one")) {}

Servers::Servers(std::vector<std::string> names, std::size_t own, const ReplicaOptions& options,
                 telemetry::Registry& registry)
    : own_(own),
      lag_max_(options.lag_max),
      silent_max_(options.silent_max),
      registry_(registry),
      failovers_(registry.counter("loadstone_store_replica_failovers_total", "",
                                  "Times that a primary of a newer history was found")) {
    for (std::string& name : names)
        servers_.push_back(std::make_unique<Server>(std::move(name), registry));
    add_gauges(registry);
}

Servers::~Servers() { registry_.remove_gauges(this); }

void Servers::add_gauges(telemetry::Registry& registry) {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const std::string label = telemetry::metric_label("server", servers_[i]->name);
        registry.gauge(this, "loadstone_store_replica_usable", label,
                       "1 while reads are given to it", [this, i] { return is_usable(i) ? 1 : 0; });
        registry.gauge(this, "loadstone_store_replica_is_primary", label, "1 for the primary",
                       [this, i] { return is_primary(i) ? 1 : 0; });
        registry.gauge(this, "loadstone_store_replica_lag_seconds", label,
                       "How far it is behind the primary; of a silent one, at least",
                       [this, i] { return std::chrono::duration<double>(lag_now(i)).count(); });
        registry.gauge(this, "loadstone_store_replica_lag_bytes", label,
                       "Write-ahead log that it has not replayed", [this, i] {
                           const std::scoped_lock lock(mutex_);
                           const std::uint64_t at = servers_[i]->position;
                           return static_cast<double>(trail_.last() > at ? trail_.last() - at : 0);
                       });
        registry.gauge(this, "loadstone_store_replica_reads_under_way", label,
                       "Reads under way on it",
                       [this, i] { return static_cast<double>(servers_[i]->reads); });
    }
}

bool Servers::is_ours(const ServerAnswer& answer) const {
    if (system_ != 0) return answer.system == system_;
    return std::ranges::none_of(servers_, [&](const auto& other) {
        return other->system != 0 && other->system != answer.system;
    });
}

void Servers::settle_system(std::size_t server, const ServerAnswer& answer,
                            Clock::time_point asked) {
    if (system_ != 0) return;
    if (!first_asked_) first_asked_ = asked;
    const bool are_own_away = asked - *first_asked_ >= silent_max_;
    if (server < own_ || (are_own_away && !answer.is_standby && is_ours(answer)))
        system_ = answer.system;
}

Servers::Role Servers::role_of(const ServerAnswer& answer) const {
    const auto history = static_cast<std::uint32_t>(answer.history);
    if (!is_ours(answer) || (system_ == 0 && !answer.is_standby)) return Role::other;
    if (!answer.is_standby) return history >= history_ ? Role::primary : Role::other;
    return history_ == 0 || history == history_ ? Role::replica : Role::other;
}

void Servers::answered(std::size_t number, const ServerAnswer& answer, Clock::time_point asked) {
    Server& server = *servers_[number];
    const auto history = static_cast<std::uint32_t>(answer.history);
    {
        const std::scoped_lock lock(mutex_);
        server.system = answer.system;
        settle_system(number, answer, asked);
        server.is_ours.store(is_ours(answer), std::memory_order_release);
        const Role role = role_of(answer);
        note_system(server);
        server.history = history;
        server.position = static_cast<std::uint64_t>(answer.position);
        if (role == Role::primary) {
            if (history > history_ && history_ != 0) {
                failovers_.add();
                log::warning("another primary was found",
                             {{"server", server.name}, {"history", history}});
            }
            history_.store(history, std::memory_order_release);
            trail_.note(asked, server.position);
        }
        server.role.store(role, std::memory_order_release);
        const auto lag = trail_.lag(server.position, Clock::now());
        server.lag_ns = lag ? lag->count() : std::chrono::nanoseconds::max().count();
        server.asked.store(asked.time_since_epoch().count(), std::memory_order_release);
    }
    note_use(number);
}

void Servers::is_silent(std::size_t number) {
    servers_[number]->role.store(Role::silent, std::memory_order_release);
    note_use(number);
}

void Servers::note_system(Server& server) {
    const bool is_refused = system_ != 0 && server.system != system_;
    if (is_refused && !server.was_refused)
        log::error("a server is of another database system: it is given no reads and no writes",
                   {{"server", server.name}});
    server.was_refused = is_refused;
}

void Servers::note_use(std::size_t number) {
    Server& server = *servers_[number];
    const bool is_used = is_usable(number);
    if (is_used == server.was_usable) return;
    server.was_usable = is_used;
    (is_used ? server.returned : server.left).add();
    log::info(is_used ? "a replica takes reads" : "a replica takes no reads",
              {{"server", server.name},
               {"is", is_silent_now(number)    ? "silent"
                      : may_be_primary(number) ? "the primary"
                      : server.has_room        ? "a standby"
                                               : "a standby without room for this process"},
               {"lag_ms", server.lag_ns / 1'000'000}});
}

bool Servers::is_silent_now(std::size_t server) const noexcept {
    return servers_[server]->role.load(std::memory_order_acquire) == Role::silent;
}

bool Servers::has_primary() const noexcept {
    return std::ranges::any_of(servers_, [](const auto& server) {
        return server->role.load(std::memory_order_acquire) == Role::primary;
    });
}

bool Servers::is_primary(std::size_t server) const noexcept {
    return servers_[server]->role.load(std::memory_order_acquire) == Role::primary;
}

bool Servers::is_replica(std::size_t server) const noexcept {
    return servers_[server]->role.load(std::memory_order_acquire) == Role::replica;
}

bool Servers::is_usable(std::size_t server) const noexcept {
    return is_replica(server) && lag(server) <= lag_max_ &&
           servers_[server]->has_room.load(std::memory_order_acquire);
}

std::uint32_t Servers::history(std::size_t server) const noexcept {
    return servers_[server]->history.load(std::memory_order_acquire);
}

std::chrono::nanoseconds Servers::lag(std::size_t server) const noexcept {
    return std::chrono::nanoseconds(servers_[server]->lag_ns.load(std::memory_order_relaxed));
}

std::chrono::nanoseconds Servers::lag_now(std::size_t server) const noexcept {
    const auto last = lag(server);
    if (!is_silent_now(server)) return last;
    const Clock::time_point asked{
        Clock::duration(servers_[server]->asked.load(std::memory_order_acquire))};
    const auto unheard = Clock::now() - std::max(asked, started_);
    return last > std::chrono::nanoseconds::max() - unheard ? last : last + unheard;
}

bool Servers::may_be_primary(std::size_t server) const noexcept {
    const Role role = servers_[server]->role.load(std::memory_order_acquire);
    if (role == Role::primary) return true;
    const bool is_known = servers_[server]->is_ours.load(std::memory_order_acquire);
    return role == Role::silent && (is_known || server < own_);
}

bool Servers::all_have_answered(Clock::time_point since) const noexcept {
    for (const auto& server : servers_) {
        if (server->role.load(std::memory_order_acquire) == Role::silent ||
            server->asked.load(std::memory_order_acquire) < since.time_since_epoch().count())
            return false;
    }
    return true;
}

std::optional<std::chrono::nanoseconds> Servers::age(std::uint64_t position) const {
    const std::scoped_lock lock(mutex_);
    return trail_.age(position, Clock::now());
}

}  // namespace loadstone::store::postgres
