// What of the job queue only PostgreSQL has: transactions that are under way beside a claim.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "loadstone/jobs/internal/lanes.h"
#include "tests/conformance/jobs_node.h"
#include "tests/support/postgres_server.h"

namespace jobs_postgres {

struct Held {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(Held, (), (key))

struct Step {
    std::string account;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Step, (), (account, number))

std::atomic<bool> may_end = false;

loadstone::Task<void> handle_held(loadstone::Context& context, loadstone::Job<Held> job) {
    context.services().get<conformance_jobs::Diary>().ran(job->key);
    while (!may_end) {
        const auto soon = loadstone::Deadline::in(std::chrono::milliseconds(5));
        co_await loadstone::runtime::sleep_until(soon);
    }
}

loadstone::Task<void> handle_step(loadstone::Context& context, loadstone::Job<Step> job) {
    context.services().get<conformance_jobs::Diary>().ran(job->account +
                                                          std::to_string(job->number));
    co_return;
}

void declare(loadstone::Handlers& handlers) {
    handlers.handle(handle_held).limit({.name = "held", .running_max = 1}, &Held::key);
    handlers.handle(handle_step).in_order(&Step::account);
}

}  // namespace jobs_postgres

namespace tests::conformance {
namespace {

using jobs_postgres::Held;
using jobs_postgres::Step;

Task<std::int64_t> last_ready(Reader reader) {
    co_return co_await reader.one<std::int64_t>(jobs::sql::last_ready);
}

Task<jobs::internal::Transactions> transactions_now(Reader reader) {
    co_return co_await reader.one<jobs::internal::Transactions>(jobs::sql::transactions_now);
}

constexpr loadstone::store::Command serialisation_failure{
    "test.serialisation_failure", "",
    "do $$ begin raise exception 'a try' using errcode = '40001'; end $$", 0};
constexpr loadstone::store::Command end_session{"test.end_session", "",
                                                "select pg_terminate_backend(pg_backend_pid())", 0};

// Its first run ends with `failure`.
Task<bool> enqueue_again(Tx& tx, std::vector<conformance_jobs::Note> all,
                         const loadstone::store::Command* failure, std::atomic<int>* runs) {
    co_await jobs::enqueue_all(tx, all);
    if (++*runs == 1) co_await tx.exec(*failure);
    co_return true;
}

constexpr loadstone::store::Command until_it_may_end{
    "test.until_it_may_end", "",
    "do $$ begin while not exists (select from pg_class where relname = 'may_end') loop "
    "perform pg_sleep(0.01); end loop; end $$",
    0};
Task<bool> enqueue_late(Tx& tx, Step step) {
    tx.see_commits();
    co_await jobs::enqueue(tx, step);
    co_await tx.exec(until_it_may_end);
    co_return true;
}

class JobsPostgres : public ::testing::Test {
protected:
    std::string psql(const std::string& sql) { return server_.psql(database_.name(), sql); }
    std::int64_t horizon(Node& node) {
        const auto last = node.read(last_ready);
        return lanes_.horizon(last, node.read(transactions_now));
    }

    PostgresServer server_;
    TestDatabase database_{server_};
    Diary diary_;
    std::vector<std::unique_ptr<jobs::Kind>> kinds_;
    jobs::internal::Lanes lanes_{kinds_};
};

TEST_F(JobsPostgres, TheHorizonWaitsForATransactionThatHoldsAPlace) {
    Node node(database_.url(), diary_);
    const std::int64_t place = node.enqueue("before") + 1;
    std::thread open([&] {
        psql(
            "begin; insert into loadstone_ready (queue, priority, kind, arguments, cause, "
            "enqueued_at, run_at) "
            "values ('test', 0, 'conformance_jobs.Note', '{}', '', 0, 0); "
            "do $$ begin while not exists (select from pg_class where relname = 'may_end') loop "
            "perform pg_sleep(0.01); end loop; end $$; commit");
    });
    EXPECT_TRUE(wait_until([&] { return node.read(last_ready) == place; }));
    EXPECT_EQ(horizon(node), 0);
    EXPECT_EQ(horizon(node), 0) << "its place is given out, and it has not ended";
    EXPECT_EQ(node.jobs_of("").size(), 1U);
    psql("create table may_end ()");
    open.join();
    horizon(node);
    EXPECT_EQ(horizon(node), place);
    EXPECT_EQ(node.jobs_of("").size(), 2U);
}

// A claim holds the lock until it is durable; who gives a place back does not wait for that.
TEST_F(JobsPostgres, WhatIsCommittedLateComesBeforeWhatIsEnqueuedAfterIt) {
    Node node(database_.url(), diary_, jobs_postgres::declare);
    node.run();
    std::thread late([&] { node.write(enqueue_late, Step{"x", 1}); });
    EXPECT_TRUE(wait_until([&] { return node.read(last_ready) > 0; }));
    // The runner has looked for partitions behind it.
    node.write(enqueue_in<Step>, Step{"y", 1});
    EXPECT_TRUE(wait_until([&] { return !diary_.all().empty(); }));
    psql("create table may_end ()");
    late.join();
    node.write(enqueue_in<Step>, Step{"x", 2});
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 3; }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"y1", "x1", "x2"}));
}

TEST_F(JobsPostgres, AnEndGivesItsPlaceBackBesideWhoHoldsTheLimit) {
    jobs_postgres::may_end = false;
    Node node(database_.url(), diary_, jobs_postgres::declare);
    node.write(enqueue_in<Held>, Held{"k"});
    node.run();
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 1; }));
    std::thread holder([&] {
        try {
            psql(
                "set application_name = 'holder'; begin; select from loadstone_limits for update; "
                "select pg_sleep(60)");
        } catch (const std::exception&) {
            // It is terminated below.
        }
    });
    const auto holders = [&] {
        return psql(
            "select count(*) from pg_stat_activity where application_name = 'holder' and "
            "wait_event = 'PgSleep'");
    };
    EXPECT_TRUE(wait_until([&] { return holders() == "1"; }));
    jobs_postgres::may_end = true;
    EXPECT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    EXPECT_EQ(holders(), "1");
    EXPECT_EQ(psql("select running from loadstone_limit_states"), "1");
    EXPECT_EQ(psql("select name, places from loadstone_limit_releases"), "held:k|1");
    psql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holder'");
    holder.join();
    // The next claim counts what was given back, once, and looks at nothing before that again.
    node.write(enqueue_in<Held>, Held{"k"});
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 2; }));
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    EXPECT_EQ(node.read(places_taken), 0);
    EXPECT_EQ(psql("select count(*) from loadstone_limit_releases as r join loadstone_limit_states "
                   "as s on r.name = s.name and r.xid < s.released_before"),
              "0");
}

TEST_F(JobsPostgres, ManyAreEnqueuedOnceThoughTheirTransactionRunsAgain) {
    Node node(database_.url(), diary_);
    const std::vector<Note> all(50, Note{"once"});
    for (const auto* failure : {&serialisation_failure, &end_session}) {
        psql("truncate loadstone_ready");
        std::atomic<int> runs = 0;
        node.write(enqueue_again, all, failure, &runs);
        EXPECT_EQ(runs, 2) << failure->name;
        EXPECT_EQ(psql("select count(*) from loadstone_ready"), "50") << failure->name;
    }
}

// Migration 0007 while a program of the release before runs: its statements have been prepared.
TEST_F(JobsPostgres, AProgramGoesOnWhenLanesComeToBeOrderedByBytes) {
    Node node(database_.url(), diary_, jobs_postgres::declare);
    psql(
        "alter table loadstone_ready alter column queue type text collate \"default\", "
        "alter column partition_key type text collate \"default\"");
    node.run();
    jobs_postgres::may_end = true;
    const auto round = [&](std::size_t ran) {
        node.enqueue("free");
        node.write(enqueue_in<Held>, Held{"k"});
        EXPECT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
        EXPECT_EQ(diary_.all().size(), ran);
    };
    round(2);
    psql(std::string(jobs::sql::migrations[6].postgres));
    EXPECT_EQ(
        psql("select count(*) from pg_attribute where attrelid = 'loadstone_ready'::regclass "
             "and attname in ('queue', 'partition_key') and attcollation = '\"C\"'::regcollation"),
        "2");
    round(4);
}

// What is looked at is neither all jobs nor, of a queue whose oldest is among the first, all lanes.
// Who enqueues by SQL may have taken a place, which holds the sequence, before it takes the table.
TEST_F(JobsPostgres, PlacesComeToBeGivenOutByOthersBesideWhoEnqueues) {
    Node node(database_.url(), diary_);
    node.run();
    node.enqueue("before");
    psql(
        "alter table loadstone_ready alter column seq drop default; "
        "drop sequence loadstone_ready_seq_seq; "
        "alter table loadstone_ready alter column seq add generated by default as identity "
        "(start with 50)");
    std::thread open([&] {
        psql(
            "begin; select nextval('loadstone_ready_seq_seq'); "
            "do $$ begin while not exists (select from pg_class where relname = 'may_end') loop "
            "perform pg_sleep(0.01); end loop; end $$; "
            "insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, "
            "run_at) values ('test', 0, 'conformance_jobs.Note', '{\"text\":\"beside\"}', '', 0, "
            "0); commit");
    });
    EXPECT_TRUE(wait_until([&] { return node.read(last_ready) == 50; }));
    std::thread migration([&] { psql(std::string(jobs::sql::migrations[12].postgres)); });
    const std::string asked =
        "select count(*) from pg_locks where granted and mode = "
        "'AccessExclusiveLock' and relation = 'loadstone_ready'::regclass";
    EXPECT_TRUE(wait_until([&] { return psql(asked) == "1"; }));
    psql("create table may_end ()");
    open.join();
    migration.join();
    EXPECT_EQ(psql("select attidentity = '' and atthasdef from pg_attribute where attname = 'seq' "
                   "and attrelid = 'loadstone_ready'::regclass"),
              "t");
    node.enqueue("after");
    EXPECT_TRUE(wait_until([&] { return diary_.all().size() == 3; }));
    EXPECT_GT(node.read(last_ready), 10'050);
}

TEST_F(JobsPostgres, TheAgeOfEachQueueIsThatOfItsOldestJob) {
    Node node(database_.url(), diary_);
    const auto add = [&](const std::string& queue, const std::string& partition, int priority,
                         int seconds, int jobs = 1) {
        psql(
            "insert into loadstone_ready (queue, partition_key, priority, kind, arguments, cause, "
            "enqueued_at, run_at) select '" +
            queue + "', '" + partition + "', " + std::to_string(priority) +
            ", 'k', '{}', '', 0, (extract(epoch from now()) * 1000000)::bigint - 1000000 * " +
            std::to_string(seconds) + " from generate_series(1, " + std::to_string(jobs) + ")");
    };
    const auto ages = [&] {
        std::map<std::string, std::int64_t> seconds;
        for (const jobs::QueueAge& each : node.read(jobs::oldest_due_ages))
            seconds[each.queue] = each.age / 1'000'000 / 100 * 100;
        return seconds;
    };
    EXPECT_TRUE(ages().empty());
    add("plain", "", 0, 100);
    add("plain", "", 5, 200);
    EXPECT_EQ(ages(), (std::map<std::string, std::int64_t>{{"plain", 200}}));
    add("both", "a|x:1", 0, 900);
    add("both", "", 3, 1'000);
    add("crowd", "a", 0, 800, 1'000);
    add("later", "a", 0, 500);
    add("later", "b", 0, 400);
    add("later", "b", 7, 600);
    add("plain", "z", 0, 100);
    EXPECT_EQ(ages(), (std::map<std::string, std::int64_t>{
                          {"both", 1'000}, {"crowd", 800}, {"later", 600}, {"plain", 200}}));
}

TEST_F(JobsPostgres, ABatchIsStoredCompressedWhereTheServerHasLz4) {
    const Node node(database_.url(), diary_);
    psql(
        "insert into loadstone_batches (process, claimed_at, jobs) "
        "select 1, 0, json_agg(json_build_object('id', id, 'queue', 'test')) "
        "from generate_series(1, 500) as id");
    const std::string has_lz4 = psql(
        "select 'lz4' = any (enumvals) from pg_settings where name = 'default_toast_compression'");
    EXPECT_EQ(psql("select pg_column_compression(jobs) = 'lz4', "
                   "3 * pg_column_size(jobs) < octet_length(jobs) from loadstone_batches"),
              has_lz4 == "t" ? "t|t" : "|f");
}

TEST_F(JobsPostgres, ManyProcessesClaimSideBySideWithoutFailing) {
    Node first(database_.url(), diary_);
    for (int i = 0; i < 300; ++i) first.enqueue(std::to_string(i));
    std::vector<std::unique_ptr<Node>> nodes;
    for (int i = 0; i < 4; ++i) {
        nodes.push_back(std::make_unique<Node>(database_.url(), diary_));
        nodes.back()->runner_options.claim_batch_max = 3;
        nodes.back()->run();
    }
    ASSERT_TRUE(wait_until([&] { return first.jobs_of("").empty(); }, std::chrono::seconds(30)));
    EXPECT_EQ(diary_.all().size(), 300U);
    for (const auto& node : nodes) {
        EXPECT_NE(node->registry.prometheus().find(
                      "loadstone_postgres_transaction_retries_total{reason=\"conflict\"} 0\n"),
                  std::string::npos)
            << node->registry.prometheus();
    }
}

}  // namespace
}  // namespace tests::conformance
