#pragma once
// A primary with two replicas, two nodes that use them, and many sessions that write and read back
// on either node while something happens to the servers. What each session may see is checked:
// what it wrote itself, and never less than it has seen.

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "loadstone/base/random.h"
#include "tests/conformance/conformance.h"
#include "tests/support/postgres_server.h"

namespace tests::conformance {

// Of a counter or gauge, over all its labels that hold `part`.
double metric_sum(const loadstone::telemetry::Registry& registry, const std::string& name,
                  const std::string& part = "");

class ReplicatedServers {
public:
    ReplicatedServers();

    PostgresServer& primary() { return primary_; }
    PostgresServer& replica(int index) { return *replicas_.at(static_cast<std::size_t>(index)); }
    std::string name() const { return database_.name(); }
    loadstone::store::DatabaseOptions options() const;

    void pause_replay(int index);
    void resume_replay(int index);
    // Its replay keeps this far behind the primary. 0: at once.
    void delay_replay(int index, std::chrono::milliseconds delay);
    // Nothing that is committed from here on reaches them.
    void cut_off_replicas();
    // Makes it the primary, and the other replica follow it.
    void promote(int index);
    bool has_replayed(int index, const std::string& count_of_items);

private:
    PostgresServer primary_;
    TestDatabase database_;
    std::vector<std::unique_ptr<PostgresServer>> replicas_;
};

struct SessionsOptions {
    int sessions = 320;
    int threads = 12;
    std::chrono::milliseconds patience{10'000};
    bool carry_positions = true;  // off to see that it is they that keep the sessions from lies
};

class Sessions {
public:
    Sessions(std::vector<TestStore*> nodes, const SessionsOptions& options);
    ~Sessions();
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;

    // Every session has taken so many more steps, each a write and some reads. False if that takes
    // too long.
    bool go_on(int steps);
    void stop();

    struct Counts {
        std::int64_t writes = 0, reads = 0, failed_writes = 0, failed_reads = 0;
        std::int64_t stale_own_reads = 0, reads_going_back = 0;
    };
    Counts counts() const;
    std::set<std::string> messages() const;
    // Of the reads since the last call, which replicas served.
    double share_of_replicas();
    // Prints what `scenario` came to and expects that nobody was lied to.
    void expect_truth(const std::string& scenario);

private:
    struct Session;

    void drive(int thread);
    void step(Session& session, loadstone::Random& random);
    void write(Session& session, TestStore& node);
    void read_own(Session& session, TestStore& node);
    void read_all(Session& session, TestStore& node, loadstone::runtime::Freshness freshness);
    void failed(const Error& error, std::atomic<std::int64_t>& count);
    loadstone::runtime::Position* position_of(Session& session) const;
    TestStore& any_node(loadstone::Random& random);

    const std::vector<TestStore*> nodes_;
    const SessionsOptions options_;
    std::vector<std::unique_ptr<Session>> sessions_;
    std::atomic<bool> stop_{false};
    std::atomic<std::int64_t> writes_{0}, reads_{0}, failed_writes_{0}, failed_reads_{0};
    std::atomic<std::int64_t> stale_own_reads_{0}, reads_going_back_{0};
    double replica_reads_ = 0, primary_reads_ = 0;
    mutable std::mutex mutex_;
    std::set<std::string> messages_;
    std::vector<std::thread> threads_;
};

}  // namespace tests::conformance
