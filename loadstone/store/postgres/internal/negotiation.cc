#include "loadstone/store/postgres/internal/negotiation.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/postgres/internal/sqlstate.h"

namespace loadstone::store::postgres {

using internal::ConnectionCounts;
using internal::Holding;
using internal::ServerRoom;

namespace {

// That of the lock under which they take turns; no process has so many connections.
constexpr int turn = 0x7fffffff;
constexpr std::chrono::milliseconds turn_again{20};
// How long one who is cut off, or stands still, has the turn: then the server ends its session.
constexpr std::chrono::milliseconds turn_max{1'000};

// The sessions of other users are seen without their kind; those of nobody are the server's own.
// A process that declares anew holds both locks for a moment.
constexpr const char* look_sql =
    "select current_setting('max_connections')::bigint,"
    " current_setting('superuser_reserved_connections')::bigint"
    " + coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::bigint,"
    " (select count(*) from pg_stat_activity where datid is not null and usesysid is not null"
    " and coalesce(backend_type, 'client backend') = 'client backend'),"
    " count(*) + 1, coalesce(sum(declared), 0)"
    " from (select max(objid::bigint) as declared from pg_locks"
    " where locktype = 'advisory' and classid = {}::oid and objsubid = 2 and granted"
    " and mode = 'ShareLock' and pid <> pg_backend_pid() group by pid) as others";

using Serves = Negotiation::Serves;

ConnectionCounts least_of(const DatabaseOptions& options, std::size_t loops, Serves serves) {
    ConnectionCounts least;
    least.writes = serves == Serves::reads ? 0 : 2;
    least.reads = loops;
    least.heavy = serves == Serves::writes ? 0 : loops;
    // To negotiate; to listen and to notify; to watch it; to sample plans.
    least.others = 1 + (serves == Serves::reads ? 0 : 2) + (serves == Serves::all ? 0 : 1) +
                   (options.statistics.samples_plans ? 1 : 0);
    return least;
}

ConnectionCounts most_of(const DatabaseOptions& options, std::size_t loops, Serves serves) {
    ConnectionCounts most = least_of(options, loops, serves);
    const auto more = [loops](std::size_t max) {
        return std::max(max == 0 ? 3 * loops : max, loops) - loops;
    };
    if (serves != Serves::reads) most.writes = options.transactions_max + 1;
    most.more_reads = more(options.connections.reads_max);
    if (serves != Serves::writes) most.more_heavy = more(options.connections.heavy_reads_max);
    return most;
}

// Those of replicas have names of their own, so that sums over a name are of one kind of server.
std::string metric(Serves serves, std::string_view name) {
    return fmt::format("loadstone_postgres_{}{}", serves == Serves::reads ? "replica_" : "", name);
}

std::string label_of(Serves serves, const Target& target) {
    return serves == Serves::reads ? telemetry::metric_label("server", target.shown) : "";
}

}  // namespace

Negotiation::Negotiation(const Target& target, const DatabaseOptions& options, std::size_t loops,
                         Serves serves, std::shared_ptr<ConnectionBudget> budget,
                         telemetry::Registry& registry, std::function<void()> changed,
                         Replica replica)
    : target_(target),
      options_(options),
      serves_(serves),
      replica_(replica),
      budget_(std::move(budget)),
      changed_(std::move(changed)),
      registry_(registry),
      least_(least_of(options, loops, serves)),
      most_(most_of(options, loops, serves)),
      need_{sum(least_), sum(most_)},
      rounds_(registry.counter(metric(serves, "negotiations_total"), label_of(serves, target),
                               "Times that the connections of this process were agreed anew")),
      failures_(registry.counter(metric(serves, "negotiation_failures_total"),
                                 label_of(serves, target), "Times that this could not be done")),
      without_room_(registry.counter(
          metric(serves, "negotiations_without_room_total"), label_of(serves, target),
          "Times that the others left this process too few connections to begin")),
      refused_(registry.counter("loadstone_postgres_connects_refused_total",
                                telemetry::metric_label("use", "negotiation"),
                                "Tries to connect to a server that had no connection left")) {
    const auto gauge = [&](std::string_view name, std::string_view help, auto read) {
        registry_.gauge(this, metric(serves, name), label_of(serves, target), help,
                        [this, read] { return static_cast<double>(read(state())); });
    };
    gauge("connections_granted", "Connections that this process may have",
          [](const State& now) { return now.holding.granted; });
    gauge("connections_declared", "Connections that the other processes count with",
          [](const State& now) { return now.holding.declared; });
    gauge("connections_target", "Connections that it is to have in the end",
          [](const State& now) { return now.target; });
    gauge("nodes", "Processes that share the server's connections",
          [](const State& now) { return now.room.nodes; });
    gauge("server_connections_max", "max_connections of the server",
          [](const State& now) { return now.room.connections_max; });
    gauge("server_connections_open", "Connections of all clients of the server",
          [](const State& now) { return now.room.open; });
    for (const Purpose purpose : all_purposes) {
        if (serves == Serves::reads && (purpose == Purpose::writes || purpose == Purpose::others))
            continue;
        std::string label = label_of(serves, target);
        if (!label.empty()) label += ',';
        label += telemetry::metric_label("purpose", to_string(purpose));
        registry_.gauge(this, metric(serves, "connections_max"), label,
                        "Connections that this process may have",
                        [this, purpose] { return static_cast<double>(budget_->allowed(purpose)); });
        registry_.gauge(this, metric(serves, "connections_open"), label,
                        "Connections of this process",
                        [this, purpose] { return static_cast<double>(budget_->open(purpose)); });
    }
}

Negotiation::~Negotiation() {
    stop();
    registry_.remove_gauges(this);
}

void Negotiation::start() {
    if (target_.is_pooled || options_.connections.is_guest) {
        allow(target_.is_pooled ? need_.most : need_.least);
        return;
    }
    thread_ = std::thread([this] { serve(); });
}

void Negotiation::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    woken_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Negotiation::State Negotiation::state() const {
    const std::scoped_lock lock(mutex_);
    return state_;
}

void Negotiation::serve() {
    pthread_setname_np(pthread_self(), "store-budget");
    while (!stopping_) {
        const auto next = step();
        std::unique_lock lock(mutex_);
        if (woken_.wait_for(lock, next, [this] { return stopping_.load(); })) break;
    }
    connection_.reset();
}

std::chrono::milliseconds Negotiation::step() {
    if (!is_wanted()) return first_pause;
    try {
        if (connection_ == nullptr) connect();
        const auto next = renegotiate();
        pause_ = first_pause;
        return next;
    } catch (const Error& error) {
        if (!stopping_) lost(error);
        const auto longest = std::max(options_.connections.negotiate_every, first_pause);
        return std::exchange(pause_, std::min(2 * pause_, longest));
    }
}

// A replica is kept while it does not answer, or does not follow yet.
bool Negotiation::is_wanted() {
    if (replica_.servers == nullptr) return true;
    if (replica_.servers->is_primary(replica_.number)) {
        release();
        return false;
    }
    return holding_.granted > 0 || replica_.servers->is_replica(replica_.number);
}

// What is still open others see on the server.
void Negotiation::release() {
    if (connection_ == nullptr && holding_ == Holding{}) return;
    connection_.reset();
    holding_ = {};
    allow(0);
    const std::scoped_lock lock(mutex_);
    state_ = {};
}

// What this process has already is declared before anything is asked.
void Negotiation::connect() {
    connection_ = std::make_unique<BlockingConnection>(
        target_, options_, &stopping_, serves_ == Serves::reads ? Use::replica : Use::read);
    holding_.declared = std::max(holding_.granted, own_open());
    connection_->run(fmt::format("set idle_in_transaction_session_timeout = {}", turn_max.count()),
                     {}, "connections");
    connection_->run(
        fmt::format("select pg_advisory_lock_shared({}, {})", lock_class, holding_.declared), {},
        "connections");
}

std::chrono::milliseconds Negotiation::renegotiate() {
    const auto every = options_.connections.negotiate_every;
    connection_->run("begin", {}, "connections");
    const auto turns =
        connection_->run(fmt::format("select pg_try_advisory_xact_lock({}, {})", lock_class, turn),
                         {}, "connections");
    const bool has_turn = text_of(turns, 0, 0) == "t";
    const bool is_settled = has_turn && declare();
    connection_->run("commit", {}, "connections");
    if (has_turn) {
        rounds_.add();
        allow(holding_.granted);
    }
    if (!has_turn) return std::min(every, turn_again);
    return is_settled ? every : every / 4;
}

// False while there is more to be done soon.
bool Negotiation::declare() {
    const ServerRoom room = look();
    const int left = options_.connections.left_percent;
    const std::size_t target = target_of(room, need_, left);
    const Holding next = next_holding(room, need_, left, holding_, own_open());
    if (next.granted < holding_.granted) allow(next.granted);
    if (next.declared != holding_.declared) {
        connection_->run(fmt::format("select pg_advisory_lock_shared({0}, {1}),"
                                     " pg_advisory_unlock_shared({0}, {2})",
                                     lock_class, next.declared, holding_.declared),
                         {}, "connections");
    }
    if (next.granted != holding_.granted)
        log::info("connections to the database", {{"server", target_.shown},
                                                  {"may_have", next.granted},
                                                  {"had", holding_.granted},
                                                  {"nodes", room.nodes},
                                                  {"max_connections", room.connections_max}});
    holding_ = next;
    {
        const std::scoped_lock lock(mutex_);
        state_ = {room, holding_, target};
    }
    if (next.granted >= need_.least) return next.granted == target && next.declared == target;
    without_room_.add();
    if (const auto unsaid = complaints_.take(Deadline::Clock::now()))
        log::warning(serves_ == Serves::reads
                         ? "a replica is not used: those that share it have its connections"
                         : "waiting for connections: those that share the database have them",
                     {{"server", target_.shown},
                      {"needs", need_.least},
                      {"nodes", room.nodes},
                      {"declared_by_others", room.declared_by_others},
                      {"max_connections", room.connections_max},
                      {"unsaid", *unsaid}});
    return false;
}

ServerRoom Negotiation::look() {
    const auto row = connection_->run(fmt::format(look_sql, lock_class), {}, "connections");
    ServerRoom room;
    room.connections_max = count_of(row, 0, 0);
    room.reserved = count_of(row, 0, 1);
    room.open = count_of(row, 0, 2);
    room.nodes = count_of(row, 0, 3);
    room.declared_by_others = count_of(row, 0, 4);
    return room;
}

void Negotiation::allow(std::size_t granted) {
    ConnectionCounts counts;
    if (granted >= need_.least) {
        counts = split(granted, least_, most_);
        // Those of this thread, the watch and the sampler are not opened through the budget.
        counts.others = serves_ == Serves::reads ? 0 : 2;
    }
    budget_->allow(counts);
    changed_();
}

// What is open others see on the server; more is not opened until it is declared again. Who has
// never seen the server, which does not answer, may try the least: it tells why it fails. (Of a
// replica its watch does.)
void Negotiation::lost(const Error& why) {
    failures_.add();
    connection_.reset();
    const bool is_crowded = says_no_connection_left(why.message());
    if (is_crowded) refused_.add();
    if (holding_.granted >= need_.least)
        holding_.granted = std::max(need_.least, std::min(holding_.granted, own_open()));
    else if (!is_crowded && serves_ != Serves::reads && state_.room.connections_max == 0)
        holding_.granted = need_.least;
    allow(holding_.granted);
    log::debug("the connections could not be agreed", {{"error", why.message()}});
    const std::scoped_lock lock(mutex_);
    state_.holding = holding_;
}

}  // namespace loadstone::store::postgres
