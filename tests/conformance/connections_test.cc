// What the processes that share a PostgreSQL server have of its connections, while they come, go
// and die, and while one direction or one module wants all. docs/decisions/0022.

#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/conformance/storm.h"
#include "tests/support/postgres_server.h"

namespace tests::conformance {
namespace {

using loadstone::store::ModuleShare;
using loadstone::store::Query;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr Query wait_for_the_test{"test.wait_for_the_test", "",
                                  "select pg_advisory_xact_lock_shared(1) is null", 0};

constexpr const char* open_sql =
    "select count(*) from pg_stat_activity where application_name = 'loadstone' "
    "and backend_type = 'client backend'";

Task<void> hold_in_tx(Tx& tx) { co_await tx.one<bool>(hold); }

Task<void> keep_writing(Context& context, Storm* storm) {
    while (!storm->is_over) {
        try {
            co_await context.write(hold_in_tx);
            ++storm->done;
        } catch (const Error& error) {
            storm->failed(error);
        }
    }
}

// More of everything than there are connections for.
class Stormed {
public:
    explicit Stormed(const loadstone::store::DatabaseOptions& options) : store(options) {
        const Deadline late = Deadline::in(std::chrono::seconds(120));
        // Of each kind on each of two loops, which take turns.
        for (int i = 0; i < 24; ++i) calls_.push_back(store.start(late, keep_writing, &storm));
        for (const Reading reading : {Reading::quick, Reading::long_one, Reading::heavy}) {
            for (int i = 0; i < 24; ++i)
                calls_.push_back(store.start(late, keep_reading, &storm, reading));
        }
    }
    Stormed(const Stormed&) = delete;
    Stormed& operator=(const Stormed&) = delete;
    ~Stormed() { end(); }
    void end() {
        storm.is_over = true;
        for (auto& call : calls_) call.get();
        calls_.clear();
        store.stop();
    }

    TestStore store;
    Storm storm;

private:
    std::vector<std::future<void>> calls_;
};

std::uint64_t counted(TestStore& store, std::string_view name, const std::string& labels = "") {
    return store.registry().counter(name, labels, "").value();
}

std::string of_use(std::string_view use) { return loadstone::telemetry::metric_label("use", use); }

class Connections : public ::testing::Test {
protected:
    static constexpr int connections_max = 40;
    static constexpr int usable = 37;  // less 3 for superusers
    static constexpr int shared = 33;  // of them, less 4 for others

    Connections()
        : server_({.settings = {{"max_connections", std::to_string(connections_max)}}}),
          database_(server_),
          options_(test_options(database_.url())) {
        options_.connections.negotiate_every = milliseconds(100);
        // A server that a busy machine keeps from answering is no outage.
        options_.connect_timeout = patience;
        options_.outage_patience = patience;
        const auto modules = all_migrations();
        loadstone::store::migrate(options_, modules);
        psql("create table seen (open int, declared int)");
        psql("insert into seen values (0, 0)");
    }
    ~Connections() override { stop_watching(); }

    std::string psql(const std::string& sql) const { return server_.psql(database_.name(), sql); }
    // What each process lets the others count with.
    std::string declared() const {
        return psql(
            "select string_agg(n::text, ' ' order by n) from (select max(objid::bigint) as n from "
            "pg_locks where locktype = 'advisory' and classid = 1668247150 and granted and mode = "
            "'ShareLock' group by pid) as each");
    }
    void expect_declared(const std::string& numbers) {
        std::string last;
        EXPECT_TRUE(wait_until(
            [&] {
                last = declared();
                return last == numbers;
            },
            patience))
            << last << " instead of " << numbers;
    }
    // Looks every few milliseconds from within the server, on one connection at a time: at what is
    // open there, with what its client has closed and it has not noticed yet, and what is declared.
    void watch_server() {
        const std::string look =
            "do $$ declare began timestamptz := clock_timestamp(); now_open int; open_most int := "
            "0; now_declared int; declared_most int := 0; begin loop "
            "perform pg_stat_clear_snapshot(); now_open := (" +
            std::string(open_sql) +
            "); select coalesce(sum(n), 0) into now_declared from (select max(objid::bigint) as n "
            "from pg_locks where locktype = 'advisory' and classid = 1668247150 and granted "
            "and mode = 'ShareLock' group by pid) as each; "
            "open_most := greatest(open_most, now_open); "
            "declared_most := greatest(declared_most, now_declared); "
            "exit when clock_timestamp() > began + interval '1 second'; perform pg_sleep(0.002); "
            "end loop; update seen set open = greatest(open, open_most), "
            "declared = greatest(declared, declared_most); end $$";
        watch_ = std::thread([this, look] {
            while (!has_seen_) psql(look);
        });
    }
    void stop_watching() {
        has_seen_ = true;
        if (watch_.joinable()) watch_.join();
    }
    struct Most {
        int open = 0, declared = 0;
    };
    Most most_seen() {
        stop_watching();
        return {std::stoi(psql("select open from seen")),
                std::stoi(psql("select declared from seen"))};
    }

    static constexpr milliseconds patience{30'000};

    PostgresServer server_;
    TestDatabase database_;
    loadstone::store::DatabaseOptions options_;
    std::thread watch_;
    std::atomic<bool> has_seen_{false};
};

// Runs a storm in a process of its own, once it is told to, until it is killed.
class OtherProcess {
public:
    explicit OtherProcess(const loadstone::store::DatabaseOptions& options) {
        if (::pipe(go_) != 0) throw std::runtime_error("no pipe");
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that breaks off leaves no storm
        char told = 0;
        if (::read(go_[0], &told, 1) != 1 || told != 'g') ::_exit(0);
        const Stormed stormed(options);
        for (;;) ::pause();
    }
    OtherProcess(const OtherProcess&) = delete;
    OtherProcess& operator=(const OtherProcess&) = delete;
    ~OtherProcess() {
        kill();
        ::close(go_[0]);
        ::close(go_[1]);
    }
    void begin() const { ASSERT_EQ(::write(go_[1], "g", 1), 1); }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    }

private:
    int go_[2] = {-1, -1};
    pid_t pid_ = -1;
};

TEST_F(Connections, AreNeverMoreThanShared) {
    OtherProcess third(options_);  // before there are threads
    watch_server();
    Stormed first(options_);
    expect_declared("32");  // all that two loops can use
    {
        Stormed second(options_);
        expect_declared("16 16");
        third.begin();
        expect_declared("11 11 11");
        third.kill();
        expect_declared("16 16");
        EXPECT_GT(second.storm.done, 0);
        second.end();
        EXPECT_THAT(second.storm.all_failures(), ::testing::IsEmpty());
    }
    expect_declared("32");
    const int done = first.storm.done;
    EXPECT_TRUE(wait_until([&] { return first.storm.done > done + 100; }, patience));
    EXPECT_TRUE(wait_until([&] { return std::stoi(psql(open_sql)) >= 28; }, patience))
        << "and they are used";
    const Most most = most_seen();
    first.end();
    EXPECT_THAT(first.storm.all_failures(), ::testing::IsEmpty());
    for (const char* use : {"read", "transaction", "listen", "notify", "negotiation"})
        EXPECT_EQ(counted(first.store, "loadstone_postgres_connects_refused_total", of_use(use)),
                  0U)
            << use;
    // Who joins has its first from what is left for others, and so has what a server has yet to
    // notice that it was closed.
    EXPECT_LE(most.declared, shared + 1);
    EXPECT_LE(most.open, usable);
    EXPECT_GE(most.open, 28);
}

TEST_F(Connections, WhoFindsNoRoomWaitsForIt) {
    options_.connections.left_percent = 45;  // 20 are shared, 9 are needed at least
    Stormed first(options_);
    expect_declared("20");
    Stormed second(options_);
    expect_declared("10 10");
    TestStore third(options_);
    const auto waiting = third.start(Deadline::in(std::chrono::seconds(20)), item_count);
    expect_declared("1 9 9");
    EXPECT_EQ(waiting.wait_for(milliseconds(0)), std::future_status::timeout);
    second.end();
    EXPECT_TRUE(
        wait_until([&] { return waiting.wait_for(milliseconds(0)) == std::future_status::ready; }));
    expect_declared("10 10");
    first.end();
    EXPECT_THAT(first.storm.all_failures(), ::testing::IsEmpty());
    EXPECT_THAT(second.storm.all_failures(), ::testing::IsEmpty());
}

// Whoever goes on after the loss of the session in which it has declared opens nothing more until
// it has declared again.
TEST_F(Connections, AreDeclaredAgainAfterTheirSessionIsLost) {
    Stormed first(options_);
    expect_declared("32");
    const std::string session =
        "select max(pid) from pg_locks where classid = 1668247150 and mode = 'ShareLock'";
    const std::string pid = psql(session);
    psql("select pg_terminate_backend(" + pid + ")");
    EXPECT_TRUE(wait_until([&] { return !psql(session).empty() && psql(session) != pid; }));
    expect_declared("32");
    first.end();
    EXPECT_THAT(first.storm.all_failures(), ::testing::IsEmpty());
}

TEST_F(Connections, ServerWithoutAConnectionLeftIsNoOutage) {
    psql("create role web login superuser");
    psql("alter role web nosuperuser");
    psql("grant all on all tables in schema public to web");
    psql("grant all on all sequences in schema public to web");
    options_.url.replace(options_.url.find("postgres@"), 9, "web@");
    options_.outage_patience = milliseconds(100);
    psql("alter role web connection limit 0");
    TestStore store(options_);
    const Deadline late = Deadline::in(std::chrono::seconds(20));
    const auto before = store.start(late, add_item, std::string("before"), std::int64_t{1});
    const auto refused = [&](std::string_view use) {
        return counted(store, "loadstone_postgres_connects_refused_total", of_use(use));
    };
    EXPECT_TRUE(wait_until([&] { return refused("negotiation") >= 4; }));
    EXPECT_EQ(before.wait_for(milliseconds(0)), std::future_status::timeout) << "it waits";
    psql("alter role web connection limit 6");
    // To listen is the sixth and last: a second write finds none, and waits for longer than an
    // outage has patience for.
    EXPECT_TRUE(
        wait_until([&] { return before.wait_for(milliseconds(0)) == std::future_status::ready; }));
    psql("alter role web connection limit 1");
    std::vector<std::future<void>> held;
    Storm storm;
    for (int i = 0; i < 8; ++i) held.push_back(store.start(late, keep_writing, &storm));
    EXPECT_TRUE(wait_until([&] { return refused("transaction") >= 5; }));
    psql("alter role web connection limit -1");
    const int done = storm.done;
    EXPECT_TRUE(wait_until([&] { return storm.done > done + 50; }));
    storm.is_over = true;
    for (auto& call : held) call.get();
    EXPECT_THAT(storm.all_failures(), ::testing::IsEmpty());
}

TEST_F(Connections, DashboardStormTakesNoConnectionFromWrites) {
    Stormed other(options_);  // so that each has only a part
    TestStore store(options_);
    expect_declared("16 16");
    Storm storm;
    std::vector<std::future<void>> dashboards;
    const Deadline late = Deadline::in(std::chrono::seconds(60));
    for (int i = 0; i < 60; ++i)
        dashboards.push_back(store.start(late, keep_reading, &storm, Reading::heavy));
    EXPECT_TRUE(wait_until([&] { return storm.done > 5; }));
    store.run(add_item, std::string("first"), std::int64_t{1});
    const auto waits = [&] {
        return counted(store, "loadstone_postgres_transaction_waits_total") +
               counted(store, "loadstone_postgres_connection_waits_total", of_use("transaction"));
    };
    const auto waits_before = waits();
    for (int i = 0; i < 50; ++i) {
        auto one = store.start(late, add_item, "a" + std::to_string(i), std::int64_t{1});
        auto two = store.start(late, add_item, "b" + std::to_string(i), std::int64_t{1});
        one.get();
        two.get();
    }
    EXPECT_EQ(waits(), waits_before);
    storm.is_over = true;
    for (auto& call : dashboards) call.get();
    EXPECT_THAT(storm.all_failures(), ::testing::IsEmpty());
}

Task<void> wait_in_tx(Tx& tx) { co_await tx.one<bool>(wait_for_the_test); }
Task<void> wait_as(Context& context, std::string module) {
    context.set_module(module);
    co_await context.write(wait_in_tx);
}
Task<std::int64_t> add_item_as(Context& context, std::string module, std::string name) {
    context.set_module(module);
    co_return co_await add_item(context, std::move(name), 1);
}

std::string of_module(std::string_view module, std::string_view direction) {
    return loadstone::telemetry::metric_label("module", module) + "," +
           loadstone::telemetry::metric_label("direction", direction);
}

TEST_F(Connections, StormOfOneModuleLeavesSomeToTheOthers) {
    options_.shares = {{"noisy", {50, 50}}, {"quiet", {50, 50}}};
    options_.transactions_max = 8;
    options_.transaction_waiters_max = 10;
    TestStore store(options_);
    expect_declared("24");
    std::thread holder([&] {
        try {
            psql("select pg_advisory_lock(1), pg_sleep(60)");
        } catch (const std::exception&) {
            // It is ended below.
        }
    });
    const std::string on_the_lock =
        "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1 and ";
    EXPECT_TRUE(wait_until([&] { return psql(on_the_lock + "granted") == "1"; }));
    const Deadline late = Deadline::in(std::chrono::seconds(20));
    std::vector<std::future<void>> noisy;
    for (int i = 0; i < 20; ++i) noisy.push_back(store.start(late, wait_as, std::string("noisy")));
    EXPECT_TRUE(wait_until([&] { return psql(on_the_lock + "not granted") == "4"; }));
    const auto waits = [&](std::string_view module) {
        return counted(store, "loadstone_store_module_waits_total", of_module(module, "writes"));
    };
    const auto refused = [&](std::string_view module) {
        return counted(store, "loadstone_store_module_refused_total", of_module(module, "writes"));
    };
    EXPECT_TRUE(wait_until([&] { return waits("noisy") == 16 && refused("noisy") == 6; }));
    for (int i = 0; i < 8; ++i)
        store.run(add_item_as, std::string("quiet"), "quiet " + std::to_string(i));
    EXPECT_EQ(waits("quiet"), 0U);
    EXPECT_EQ(counted(store, "loadstone_postgres_transaction_waits_total"), 0U);
    EXPECT_EQ(psql(on_the_lock + "not granted"), "4") << "and none of the storm has come further";
    psql(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = "
        "1 and granted and mode = 'ExclusiveLock'");
    holder.join();
    int failed = 0;
    for (auto& call : noisy) {
        try {
            call.get();
        } catch (const Error& error) {
            ++failed;
            EXPECT_EQ(error.code(), Errc::unavailable);
            EXPECT_TRUE(error.retry_after());
            EXPECT_THAT(error.message(), AllOf(HasSubstr("module noisy"), HasSubstr("4 places"),
                                               HasSubstr("writes"), HasSubstr("10 wait")));
        }
    }
    EXPECT_EQ(failed, 6);
}

}  // namespace
}  // namespace tests::conformance
