#include "tests/conformance/replica_sessions.h"

#include <fmt/core.h>

#include <sstream>

namespace tests::conformance {

namespace store = loadstone::store;
using loadstone::runtime::Position;

double metric_sum(const loadstone::telemetry::Registry& registry, const std::string& name,
                  const std::string& part) {
    std::istringstream lines(registry.prometheus());
    double sum = 0;
    for (std::string line; std::getline(lines, line);) {
        const std::size_t end = line.find_first_of("{ ");
        if (line.substr(0, end) != name || line.find(part) == std::string::npos) continue;
        sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
}

// ---- ReplicatedServers ----

ReplicatedServers::ReplicatedServers() : database_(primary_) {
    auto options = test_options(database_.url());
    store::migrate(options, all_migrations());
    PostgresOptions replica;
    replica.replica_of = &primary_;
    for (int i = 0; i < 2; ++i) replicas_.push_back(std::make_unique<PostgresServer>(replica));
}

store::DatabaseOptions ReplicatedServers::options() const {
    auto options = test_options(database_.url());
    for (const auto& replica : replicas_)
        options.replicas.urls.push_back(replica->url(database_.name()));
    options.replicas.fallback_max = 1'000;
    // A machine that runs three servers and two nodes on two cores is slower than one that does
    // not.
    options.replicas.wait_max = std::chrono::milliseconds(100);
    return options;
}

void ReplicatedServers::pause_replay(int index) {
    replica(index).psql("postgres", "select pg_wal_replay_pause()");
    if (!wait_until([&] {
            return replica(index).psql("postgres", "select pg_get_wal_replay_pause_state()") ==
                   "paused";
        }))
        throw std::runtime_error("replay does not pause");
}

void ReplicatedServers::resume_replay(int index) {
    replica(index).psql("postgres", "select pg_wal_replay_resume()");
}

void ReplicatedServers::delay_replay(int index, std::chrono::milliseconds delay) {
    replica(index).psql(
        "postgres", "alter system set recovery_min_apply_delay = " + std::to_string(delay.count()));
    replica(index).psql("postgres", "select pg_reload_conf()");
}

void ReplicatedServers::cut_off_replicas() {
    for (const auto& replica : replicas_) {
        replica->psql("postgres", "alter system set primary_conninfo = ''");
        replica->psql("postgres", "select pg_reload_conf()");
    }
    if (!wait_until([&] {
            return primary_.psql("postgres", "select count(*) from pg_stat_replication") == "0";
        }))
        throw std::runtime_error("the replicas are not cut off");
}

void ReplicatedServers::promote(int index) {
    PostgresServer& promoted = replica(index);
    promoted.psql("postgres", "select pg_promote()");
    PostgresServer& other = replica(1 - index);
    other.psql("postgres",
               fmt::format("alter system set primary_conninfo = 'host={} port={} user=postgres'",
                           promoted.socket_directory(), promoted.port()));
    other.psql("postgres", "select pg_reload_conf()");
}

bool ReplicatedServers::has_replayed(int index, const std::string& count_of_items) {
    return wait_until([&] {
        return replica(index).psql(name(), "select count(*) from items") == count_of_items;
    });
}

// ---- Sessions ----

struct Sessions::Session {
    std::string name;
    Position position;
    std::int64_t written = 0;    // and acknowledged
    std::int64_t attempted = 0;  // may have been written
    std::int64_t all_seen = 0;
    std::atomic<int> steps{0};
};

namespace {

// As a session's cookie does it: what it has seen comes in, what it has seen then goes out.
class Carried {
public:
    Carried(Context& context, Position* position) : context_(context), position_(position) {
        if (position != nullptr) context.reading().begin_at(*position);
    }
    Carried(const Carried&) = delete;
    Carried& operator=(const Carried&) = delete;
    ~Carried() {
        if (position_ != nullptr) *position_ = context_.reading().position();
    }

private:
    Context& context_;
    Position* position_;
};

Task<void> set_own(Tx& tx, std::string name, std::int64_t value) {
    co_await tx.exec(sql::set_quantity, name, value);
}
Task<void> add_another(Tx& tx, std::string name) {
    co_await tx.exec(sql::add_item, name, std::int64_t{0});
}

Task<void> write_own(Context& context, Position* position, std::string name, std::int64_t value) {
    const Carried carried(context, position);
    if (value == 1) {
        co_await context.write(insert_item, name, value);
    } else {
        co_await context.write(set_own, name, value);
    }
    if (value % 4 == 0) {
        const std::string another = fmt::format("{}/{}", name, value);
        co_await context.write(add_another, another);
    }
}

Task<std::int64_t> own_value(Context& context, Position* position, std::string name) {
    const Carried carried(context, position);
    Reader reader = context.reader();
    const auto value = co_await reader.maybe<std::int64_t>(sql::quantity_of, name);
    co_return value.value_or(0);
}

Task<std::int64_t> all_items(Context& context, Position* position,
                             loadstone::runtime::Freshness freshness) {
    const Carried carried(context, position);
    Reader reader = context.reader(freshness);
    co_return co_await reader.one<std::int64_t>(sql::item_count);
}

}  // namespace

Sessions::Sessions(std::vector<TestStore*> nodes, const SessionsOptions& options)
    : nodes_(std::move(nodes)), options_(options) {
    for (int i = 0; i < options_.sessions; ++i) {
        sessions_.push_back(std::make_unique<Session>());
        sessions_.back()->name = fmt::format("session {}", i);
    }
    share_of_replicas();
    for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this, i] { drive(i); });
}

Sessions::~Sessions() { stop(); }

void Sessions::stop() {
    stop_ = true;
    for (auto& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void Sessions::drive(int thread) {
    loadstone::Random random(static_cast<std::uint64_t>(thread) + 1);
    while (!stop_) {
        for (std::size_t i = static_cast<std::size_t>(thread); i < sessions_.size() && !stop_;
             i += static_cast<std::size_t>(options_.threads))
            step(*sessions_[i], random);
    }
}

TestStore& Sessions::any_node(loadstone::Random& random) {
    const auto index = static_cast<std::size_t>(random.uniform() * double(nodes_.size()));
    return *nodes_[std::min(index, nodes_.size() - 1)];
}

void Sessions::step(Session& session, loadstone::Random& random) {
    write(session, any_node(random));
    for (int i = 0; i < 3 && !stop_; ++i) {
        read_own(session, any_node(random));
        // A bounded age promises the same.
        const auto freshness =
            i == 0 ? loadstone::own_writes : loadstone::within(std::chrono::seconds(20));
        read_all(session, any_node(random), freshness);
    }
    ++session.steps;
}

Position* Sessions::position_of(Session& session) const {
    return options_.carry_positions ? &session.position : nullptr;
}

void Sessions::failed(const Error& error, std::atomic<std::int64_t>& count) {
    ++count;
    const std::scoped_lock lock(mutex_);
    if (messages_.size() < 20)
        messages_.insert(fmt::format("{}: {}", to_string(error.code()), error.message()));
}

void Sessions::write(Session& session, TestStore& node) {
    const std::int64_t value = session.written + 1;
    try {
        session.attempted = std::max(session.attempted, value);
        node.start(Deadline::in(options_.patience), write_own, position_of(session), session.name,
                   value)
            .get();
        session.written = value;
        ++writes_;
    } catch (const Error& error) {
        // Its first insert may have been done by the try before.
        if (error.code() == Errc::already_exists) session.written = value;
        failed(error, failed_writes_);
    }
}

void Sessions::read_own(Session& session, TestStore& node) {
    try {
        const std::int64_t value = node.start(Deadline::in(options_.patience), own_value,
                                              position_of(session), session.name)
                                       .get();
        ++reads_;
        if (value < session.written) ++stale_own_reads_;
        EXPECT_LE(value, session.attempted);
        // A write whose outcome was unknown and that was seen was done.
        session.written = std::max(session.written, value);
    } catch (const Error& error) {
        failed(error, failed_reads_);
    }
}

void Sessions::read_all(Session& session, TestStore& node,
                        loadstone::runtime::Freshness freshness) {
    try {
        const std::int64_t count =
            node.start(Deadline::in(options_.patience), all_items, position_of(session), freshness)
                .get();
        ++reads_;
        if (count < session.all_seen) ++reads_going_back_;
        session.all_seen = std::max(session.all_seen, count);
    } catch (const Error& error) {
        failed(error, failed_reads_);
    }
}

bool Sessions::go_on(int steps) {
    std::vector<int> wanted;
    for (const auto& session : sessions_) wanted.push_back(session->steps + steps);
    return wait_until(
        [&] {
            for (std::size_t i = 0; i < sessions_.size(); ++i) {
                if (sessions_[i]->steps < wanted[i]) return false;
            }
            return true;
        },
        std::chrono::seconds(120));
}

Sessions::Counts Sessions::counts() const {
    return {writes_, reads_, failed_writes_, failed_reads_, stale_own_reads_, reads_going_back_};
}

std::set<std::string> Sessions::messages() const {
    const std::scoped_lock lock(mutex_);
    return messages_;
}

double Sessions::share_of_replicas() {
    double replica = 0, primary = 0;
    for (const TestStore* node : nodes_) {
        auto& registry = const_cast<TestStore*>(node)->registry();
        replica += metric_sum(registry, "loadstone_store_replica_reads_total");
        primary += metric_sum(registry, "loadstone_store_replica_primary_reads_total");
    }
    const double of_replicas = replica - std::exchange(replica_reads_, replica);
    const double of_primary = primary - std::exchange(primary_reads_, primary);
    return of_replicas / std::max(1.0, of_replicas + of_primary);
}

void Sessions::expect_truth(const std::string& scenario) {
    const Counts all = counts();
    fmt::print(
        "    {}: {} sessions, {} writes, {} reads; stale own reads {}, non-monotonic reads {}; "
        "failed writes {}, failed reads {}; replicas served {:.1f} % since last told\n",
        scenario, sessions_.size(), all.writes, all.reads, all.stale_own_reads,
        all.reads_going_back, all.failed_writes, all.failed_reads, 100 * share_of_replicas());
    std::fflush(stdout);
    EXPECT_EQ(all.stale_own_reads, 0) << scenario;
    EXPECT_EQ(all.reads_going_back, 0) << scenario;
    for (const std::string& message : messages())
        EXPECT_NE(message.find("unavailable"), std::string::npos) << message;
}

}  // namespace tests::conformance
