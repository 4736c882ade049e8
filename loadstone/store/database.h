#pragma once
// Database: one API over SQLite and PostgreSQL. Made from a URL by open_database(), started with
// the loops, used through Context (context_store.h) by applications.
//
// sqlite:PATH                        one file, WAL, synchronous=FULL, one writer lane, group commit
// postgres://user:pw@host:port/db    PostgreSQL 15+; `?pooler=transaction` behind PgBouncer

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/store/connection.h"
#include "loadstone/store/module_shares.h"
#include "loadstone/store/statement_budgets.h"
#include "loadstone/store/statement_statistics.h"
#include "loadstone/store/tx.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store {

enum class Dialect { sqlite, postgres };

using runtime::Position;

// How reads are spread over PostgreSQL's replicas (docs/internals/reads.md). SQLite has none: its
// readers see each commit at once, so every read is the latest.
struct ReplicaOptions {
    // postgres:// URLs. Which server is the primary is asked, so they and DatabaseOptions::url may
    // change places. All nodes of an application are given the same.
    std::vector<std::string> urls;
    // How long a read waits for a replica that is about to be where it must be; a heavy one.
    std::chrono::milliseconds wait_max{10};
    std::chrono::milliseconds heavy_wait_max{500};
    // Reads under way on the primary at once because no replica would do, of this process. Beyond:
    // unavailable, or an older answer where the route takes one.
    std::size_t fallback_max = 64;
    // Further behind than this, or without an answer for so long, a replica gets no reads.
    std::chrono::milliseconds lag_max{10'000};
    std::chrono::milliseconds silent_max{1'000};
    // How often each server is asked where it is while nothing else tells.
    std::chrono::milliseconds ask_every{50};
};

// How many connections this process opens to a PostgreSQL primary, and to each replica: its part of
// what the server has, renewed as processes come and go (docs/decisions/0022). Not behind a pooler.
struct ConnectionOptions {
    // Of the server's max_connections, for psql, backups and commands.
    int left_percent = 10;
    // How often the part is looked at; a quarter of it while it changes.
    std::chrono::milliseconds negotiate_every{1'000};
    // At most, of reads and of heavy reads, on each server; 0: three for each loop. One for each
    // loop at least.
    // Transactions: DatabaseOptions::transactions_max.
    std::size_t reads_max = 0;
    std::size_t heavy_reads_max = 0;
    // Takes what is left for others and has no part of its own: a command.
    bool is_guest = false;
};

struct DatabaseOptions {
    std::string url;
    ReplicaOptions replicas;
    ConnectionOptions connections;
    // Modules that are not named may use all.
    std::vector<ModuleShare> shares;
    // SQLite
    std::size_t group_max = 256;         // transactions that share one commit
    std::size_t write_queue_max = 4096;  // beyond: unavailable
    bool group_commit = true;            // off only to measure what it gives
    std::uint64_t inline_steps_max =
        20'000;  // VM steps of a read on the loop before it moves to the reader lane
    // VM steps after which a computation of a view lets the busy loop's requests go on.
    int piece_steps = 150;
    int reader_threads = 2;
    std::chrono::milliseconds busy_timeout{5'000};
    // PostgreSQL
    std::size_t transactions_max = 16;  // exclusive connections, all loops together, at most
    std::size_t transaction_waiters_max = 1024;
    std::size_t pipeline_depth_max = 256;  // reads in flight per loop
    std::chrono::milliseconds connect_timeout{5'000};
    // When the server has been away so long, requests are refused at once; before, they wait.
    std::chrono::milliseconds outage_patience{5'000};
    std::chrono::milliseconds statement_timeout_max{30'000};
    // Runs of a body after serialisation failures and deadlocks. Of what four processes sent at one
    // row at once, 5 let 1 % fail after 100 ms, and 10 nothing.
    int transaction_attempts_max = 16;
    StatisticsOptions statistics;
    // Of modules that declare none (statement_budgets.h).
    StatementBudget budget;
};

// A transaction body: runs the command and keeps its result in a place of its own. May run again.
using TxBody = std::function<Task<void>(Tx&)>;

class Moments;

namespace internal {
class KeysInProgress;
}

class Database {
public:
    Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    virtual ~Database();

    virtual Dialect dialect() const noexcept = 0;
    // The connection for single reads of the calling loop. What Context::reading() must see, and
    // how fresh the statement is to be, decide where it reads; what it saw is added there. After
    // transact() it holds where that committed.
    virtual Connection& read_connection() = 0;
    // Runs the body as one transaction; returns when it is durable. Throws what the body throws
    // (after rollback); conflict after `transaction_attempts_max`; unavailable with retry_after
    // when the database cannot be reached within the deadline; unavailable naming "commit outcome
    // unknown" when the connection was lost while committing.
    virtual Task<void> transact(Context& context, TxBody body) = 0;

    // Blocking; for migrations and the command line, before start() or without loops.
    virtual void start(runtime::Loops& loops) = 0;
    virtual void stop() = 0;
    // Whether a read and a write would work now; for /readyz. Throws Error if not.
    virtual Task<void> check(Context& context) = 0;
    // The database's clock (PostgreSQL: clock_timestamp(); SQLite: this machine's): leases rest on
    // it.
    virtual Task<Timestamp> now(Context& context) = 0;

    // Awaits a commit made by other processes. PostgreSQL: LISTEN on `channel`; SQLite:
    // data_version polled every 20 ms. `woken` is called on any thread, coalesced. notify() tells
    // the others, coalesced, outside of any transaction.
    virtual void listen(std::string_view channel, std::function<void()> woken) = 0;
    virtual void notify(std::string_view channel) = 0;

    // Of its statements; null if it keeps none.
    virtual StatementStatistics* statistics() noexcept { return nullptr; }
    // Of its reads and transactions, where it tells no positions but sees all that is committed
    // (PostgreSQL without replicas); else null.
    virtual Moments* moments() noexcept { return nullptr; }
    // What the lane that writes is at (SQLite); nothing where there is none.
    struct WriterState {
        std::string activity;  // whose body runs; empty: none
        std::chrono::nanoseconds since{0};
        std::size_t waiting = 0;
    };
    virtual std::optional<WriterState> writer_state() { return std::nullopt; }

    // For write_once() (context_store.h).
    internal::KeysInProgress& keys_in_progress() noexcept { return *keys_in_progress_; }

private:
    std::unique_ptr<internal::KeysInProgress> keys_in_progress_;
};

// Is it the URL of a database, as far as that can be told without asking one? Errors:
// invalid_argument, field "database"; never with the password.
void check_url(const std::string& url);

// The same of a replica, which is always PostgreSQL. Errors: invalid_argument, field "replica".
void check_replica_url(const std::string& url);

// Opens (SQLite: creates the file if missing) or prepares to connect. Errors: invalid_argument for
// the URL; unavailable or data_loss for the file.
std::unique_ptr<Database> open_database(const DatabaseOptions& options,
                                        telemetry::Registry& registry);

}  // namespace loadstone::store
