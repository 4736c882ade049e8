#include "loadstone/store/postgres/internal/read_router.h"

#include <fmt/format.h>

#include "loadstone/base/assert.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::postgres {

using internal::ReplicaDecision;
using runtime::Position;

namespace {

constexpr std::chrono::microseconds look_every{500};
constexpr int moves_max = 3;  // from replica to replica that fail
constexpr std::chrono::seconds refused_for{1};

class Count {
public:
    explicit Count(std::atomic<std::size_t>& count) : count_(count) {
        before_ = count_.fetch_add(1, std::memory_order_relaxed);
    }
    Count(const Count&) = delete;
    Count& operator=(const Count&) = delete;
    ~Count() { count_.fetch_sub(1, std::memory_order_relaxed); }
    std::size_t before() const noexcept { return before_; }

private:
    std::atomic<std::size_t>& count_;
    std::size_t before_;
};

telemetry::Counter& counted(telemetry::Registry& registry, std::string_view reason) {
    return registry.counter("loadstone_store_replica_primary_reads_total",
                            telemetry::metric_label("reason", reason),
                            "Reads of the primary although there are replicas");
}

}  // namespace

ReadRouting::ReadRouting(const ReplicaOptions& replicas, telemetry::Registry& metrics)
    : options(replicas),
      registry(metrics),
      latest(counted(metrics, "latest")),
      fallbacks(counted(metrics, "fallback")),
      waits(metrics.counter("loadstone_store_replica_waits_total", "",
                            "Reads that waited for a replica to be far enough")),
      refused(metrics.counter("loadstone_store_replica_refused_total", "",
                              "Reads that neither a replica nor the primary had room for")),
      stale(metrics.counter("loadstone_store_replica_stale_total", "",
                            "Reads that were given an older answer than they asked for")),
      moved(metrics.counter("loadstone_store_replica_moved_total", "",
                            "Reads that a replica failed and that were given to another server")),
      taken_back(metrics.counter("loadstone_store_replica_taken_back_total", "",
                                 "Positions of sessions that no history reaches")) {
    registry.gauge(this, "loadstone_store_replica_fallbacks_under_way", "",
                   "Reads under way on the primary because no replica would do",
                   [this] { return static_cast<double>(fallbacks_under_way.load()); });
}

ReadRouting::~ReadRouting() { registry.remove_gauges(this); }

struct ReadRouter::Read {
    Context& context;
    const StatementRef& statement;
    std::span<const Value> values;
    RowSink sink;
    std::uint64_t began_tsc = telemetry::tsc();
    // Of its first wait, which most reads do without, and so without the clock.
    std::optional<Servers::Clock::time_point> wait_began{};
    Deadline until = Deadline::unbounded();
    int moves = 0;
    std::optional<RunResult> result{};

    runtime::Reading& reading() const noexcept { return context.reading(); }
    bool is_heavy() const noexcept { return reading().is_heavy; }
    bool is_within() const noexcept {
        return statement.freshness.kind == runtime::Freshness::Kind::within;
    }
    // Of a history that this process has not heard of.
    bool is_ahead_of(std::uint32_t history) const noexcept {
        const Position position = reading().position();
        return position != Position::unknown() && position.history > history;
    }
};

// One read on one replica.
struct ReadRouter::Visit {
    Visit(ReadRouter& router_of, std::size_t replica_of, Read& read_of, std::uint64_t at_least)
        : router(router_of),
          replica(replica_of),
          read(read_of),
          reads(router.reads_of(replica, read.is_heavy())),
          history(router.views_[replica].history),
          under_way(router.servers_.reads(replica)) {
        // What its age was told of; it is past what was seen.
        place.at_least = read.is_within() ? router.views_[replica].at : at_least;
    }

    void served() {
        router.servers_.served(replica).add();
        const bool is_known = place.seen && place.seen->is_standby;
        read.reading().saw(is_known ? Position{history, place.seen->seen()} : Position::unknown());
    }
    // After it has failed: whether the read may be tried elsewhere.
    bool may_go_on() {
        if (!place.may_go_elsewhere) return false;
        read.moves = place.needs_primary ? moves_max + 1 : read.moves + 1;
        router.routing_.moved.add();
        return true;
    }

    ReadRouter& router;
    const std::size_t replica;
    Read& read;
    LoopReads& reads;
    const std::uint32_t history;
    const Count under_way;
    ReadPlace place{};
};

LoopReads& ReadRouter::reads_of(std::size_t replica, bool is_heavy) {
    return is_heavy ? *replicas_[replica].heavy : *replicas_[replica].reads;
}

Task<RunResult> ReadRouter::run(Context& context, StatementRef statement,
                                std::span<const Value> values, RowSink sink) {
    Read read{context, statement, values, sink};
    // Of a node without replicas, as before they were there: it is not known what was seen.
    if (read.reading().position().is_moment()) read.reading().replace(Position::unknown());
    if (statement.freshness == runtime::latest) {
        routing_.latest.add();
        co_return co_await read_on_primary(read);
    }
    while (read.moves <= moves_max) {
        settle(read);
        const ReplicaDecision decision = choose(read);
        if (decision.kind == ReplicaDecision::Kind::replica) {
            // As read_on() does it, without a coroutine of its own.
            Visit visit(*this, decision.replica, read, read.reading().position().at);
            try {
                const RunResult result =
                    co_await visit.reads.run(context, statement, values, sink, visit.place);
                visit.served();
                co_return result;
            } catch (const Error&) {
                if (!visit.may_go_on()) throw;
            }
            continue;
        }
        const bool may_come = decision.kind == ReplicaDecision::Kind::wait || read.is_heavy() ||
                              read.is_ahead_of(servers_.history());
        if (!may_come) break;
        const bool has_waited = co_await wait(read);
        if (!has_waited) break;
    }
    if (read.is_heavy()) {
        co_await read_stale(read);
        if (read.result) co_return *read.result;
        throw refused(fmt::format("{}: no replica is fresh enough", read.statement.name));
    }
    co_return co_await fall_back(read);
}

// What the session has seen is never behind where the primary is, unless it was made up or its
// history has ended: a primary that others' commits had not reached has taken over.
void ReadRouter::settle(Read& read) const {
    const auto known = primary_->known_position();
    if (!known || known->asked_tsc < read.began_tsc) return;
    const Position primary = primary_position(known->position);
    const Position token = read.reading().position();
    if (primary == Position::unknown() || primary.history < servers_.history()) return;
    const bool all_have_answered = read.wait_began && servers_.all_have_answered(*read.wait_began);
    if (read.is_ahead_of(primary.history) && !all_have_answered) return;
    if (token > primary) {
        read.reading().replace(primary);
        if (token != Position::unknown()) routing_.taken_back.add();
    } else if (token.at > primary.at) {
        read.reading().replace({token.history, primary.at});
        routing_.taken_back.add();
    }
}

ReplicaDecision ReadRouter::choose(const Read& read) {
    for (std::size_t i = 0; i < views_.size(); ++i) {
        internal::ReplicaView& view = views_[i];
        const auto known = reads_of(i, read.is_heavy()).known_position();
        view.is_healthy = servers_.is_replica(i);
        view.is_late = !servers_.is_usable(i);
        view.is_connected = known && known->position.is_standby;
        view.history = servers_.history(i);
        view.at = known ? known->position.at : 0;
        view.lag = servers_.lag(i);
        view.reads = servers_.reads(i).load(std::memory_order_relaxed);
        view.is_gathering = reads_of(i, read.is_heavy()).is_gathering();
        view.age = std::chrono::nanoseconds::max();
        if (read.is_within()) view.age = servers_.age(view.at).value_or(view.age);
    }
    internal::ReadDemand demand{read.reading().position()};
    if (read.is_within()) demand.age_max = read.statement.freshness.age_max;
    return choose_replica(views_, servers_.history(), demand, ++turn_);
}

// Without a result when it may be tried elsewhere.
Task<void> ReadRouter::read_on(std::size_t replica, Read& read, std::uint64_t at_least) {
    Visit visit(*this, replica, read, at_least);
    try {
        read.result = co_await visit.reads.run(read.context, read.statement, read.values, read.sink,
                                               visit.place);
        visit.served();
    } catch (const Error&) {
        if (!visit.may_go_on()) throw;
    }
}

// False when it has been long enough.
Task<bool> ReadRouter::wait(Read& read) {
    if (!read.wait_began) begin_to_wait(read);
    if (read.until.passed()) co_return false;
    look(read.is_heavy());
    telemetry::Wait waiting(read.context.span(), telemetry::WaitKind::database);
    const Deadline next = Deadline::in(look_every).sooner(read.until);
    co_await runtime::sleep_until(next);
    read.context.throw_if_done(read.statement.name);
    co_return true;
}

void ReadRouter::begin_to_wait(Read& read) {
    const auto& options = routing_.options;
    auto wait_max = read.is_heavy() ? options.heavy_wait_max : options.wait_max;
    // Another read of this request has waited, in vain.
    if (read.reading().is_behind()) wait_max = std::chrono::milliseconds(0);
    // A failover that another node has heard of first is soon known here too.
    if (read.is_ahead_of(servers_.history())) wait_max = std::max(wait_max, options.ask_every * 4);
    read.until = Deadline::in(wait_max).sooner(read.context.deadline());
    read.wait_began = Servers::Clock::now();
    routing_.waits.add();
}

void ReadRouter::look(bool is_heavy) {
    if (is_heavy && !std::exchange(heavy_is_open_, true)) {
        for (const Replica& replica : replicas_) replica.heavy->start();
    }
    primary_->ask_positions();
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
        if (servers_.is_usable(i)) reads_of(i, is_heavy).ask_positions();
    }
}

Task<RunResult> ReadRouter::fall_back(Read& read) {
    if (read.is_ahead_of(servers_.history())) {
        routing_.refused.add();
        throw unavailable(fmt::format("{}: another primary than the one known here has been seen",
                                      read.statement.name));
    }
    const Count under_way(routing_.fallbacks_under_way);
    const bool has_room = under_way.before() < routing_.options.fallback_max;
    // Who may be given what is old does not wait for a primary that is away.
    if (!has_room || !servers_.has_primary()) co_await read_stale(read);
    if (read.result) co_return *read.result;
    if (!has_room)
        throw refused(
            fmt::format("{}: no replica is fresh enough, and the primary has {} such reads, the "
                        "most there may be",
                        read.statement.name, routing_.options.fallback_max));
    routing_.fallbacks.add();
    co_return co_await read_on_primary(read);
}

Task<RunResult> ReadRouter::read_on_primary(Read& read) {
    primary_->drop_older(servers_.history());
    ReadPlace place;
    const RunResult result =
        co_await primary_->run(read.context, read.statement, read.values, read.sink, place);
    const Position seen = primary_position(place.seen);
    const Position token = read.reading().position();
    if (token != Position::unknown() && seen.history < token.history) {
        throw unavailable(
            fmt::format("{}: the primary is of an older history than the one that has been seen",
                        read.statement.name));
    }
    // There is nothing behind it, whatever the session believed to have seen.
    read.reading().replace(seen);
    co_return result;
}

// Without a result where no replica can give what is no older than may be.
Task<void> ReadRouter::read_stale(Read& read) {
    const std::chrono::nanoseconds stale_max = read.reading().stale_max;
    if (stale_max.count() == 0) co_return;
    choose(read);  // what is known now
    const auto furthest = furthest_replica(views_, servers_.history());
    if (!furthest) co_return;
    const auto age = servers_.age(views_[*furthest].at);
    if (!age || *age > stale_max) co_return;
    co_await read_on(*furthest, read, views_[*furthest].at);
    if (!read.result) co_return;
    read.reading().gave_behind(*age);
    routing_.stale.add();
}

Error ReadRouter::refused(std::string message) {
    routing_.refused.add();
    return Error(Errc::unavailable, std::move(message)).with_retry_after(refused_for);
}

void ReadRouter::start() {
    for (const Replica& replica : replicas_) replica.reads->start();
}

void ReadRouter::fit(std::size_t replica) {
    replicas_[replica].reads->fit();
    replicas_[replica].heavy->fit();
}

void ReadRouter::tick() {
    const auto before = telemetry::tsc();
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
        for (LoopReads* const reads : {replicas_[i].reads.get(), replicas_[i].heavy.get()}) {
            if (servers_.is_silent_now(i) && reads->under_way() > 0)
                reads->drop_all(unavailable("the replica does not answer"));
            const auto known = reads->known_position();
            const auto limit = static_cast<std::uint64_t>(
                std::chrono::nanoseconds(routing_.options.ask_every).count());
            if (known && telemetry::tsc_to_ns(before - known->asked_tsc) >= limit)
                reads->ask_positions();
        }
    }
}

void ReadRouter::stop() {
    for (const Replica& replica : replicas_) {
        replica.reads->stop();
        replica.heavy->stop();
    }
}

}  // namespace loadstone::store::postgres
