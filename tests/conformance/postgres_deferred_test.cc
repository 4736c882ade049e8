// What is deferred goes with the commit, and what becomes of it is known as of any commit. With
// BEGIN and COMMIT, where the session's timeout is not that of the deadline, and without.
#include <signal.h>

#include <atomic>
#include <memory>
#include <vector>

#include "tests/conformance/postgres_test.h"

namespace tests::conformance {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The timeout of a statement: it is that of TestStore::run() or it is not.
class PostgresDeferred : public Postgres, public ::testing::WithParamInterface<seconds> {
protected:
    PostgresDeferred() { options_.statement_timeout_max = GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(WithBegin, PostgresDeferred, ::testing::Values(seconds(30)));
INSTANTIATE_TEST_SUITE_P(InABatch, PostgresDeferred, ::testing::Values(seconds(20)));

constexpr loadstone::store::Query half_a_second{
    "test.half_a_second", "", "select count(*) from (select pg_sleep(0.5)) as slept", 0};
constexpr loadstone::store::Query sleepers{
    "test.sleepers", "",
    "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(0.5)%' "
    "and pid <> pg_backend_pid()",
    0};
constexpr loadstone::store::Query inserts_that_wait{
    "test.inserts_that_wait", "",
    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert "
    "into items%'",
    0};

Task<std::int64_t> ask(Context& context, const loadstone::store::Query* query) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(*query);
}

Task<void> defer_one(Tx& tx, std::string name) {
    co_await tx.defer(sql::add_item, name, std::int64_t{1});
}
Task<void> write_one(Context& context, std::string name) {
    co_await context.write(defer_one, name);
}

Task<void> sleep_in(Tx& tx) { co_await tx.one<std::int64_t>(half_a_second); }
Task<void> write_slowly(Context& context) { co_await context.write(sleep_in); }

Task<void> insert_and_sleep(Tx& tx, std::string name) {
    co_await insert_item(tx, name, 1);
    for (int i = 0; i < 20; ++i) co_await tx.one<std::int64_t>(half_a_second);
}
Task<void> hold_name(Context& context, std::string name) {
    co_await context.write(insert_and_sleep, name);
}

constexpr loadstone::store::Command insert_later{
    "test.insert_later", "", "insert into later (id, item) values (1, 4711)", 0};

Task<void> defer_orphan(Tx& tx) { co_await tx.defer(insert_later); }
Task<void> write_orphan(Context& context) { co_await context.write(defer_orphan); }

Task<void> defer_counted(Tx& tx, std::atomic<int>* runs) {
    ++*runs;
    co_await tx.defer(sql::add_item, "once", std::int64_t{1});
}
Task<void> write_counted(Context& context, std::atomic<int>* runs) {
    co_await context.write(defer_counted, runs);
}

constexpr loadstone::store::Command insert_isolation{
    "test.insert_isolation", "",
    "insert into items (name, quantity) values (current_setting('transaction_isolation'), 1)", 0};
constexpr loadstone::store::Command add_to_all{"test.add_to_all", "",
                                               "update items set quantity = quantity + 1", 0};

Task<void> defer_isolation(Tx& tx) { co_await tx.defer(insert_isolation); }
Task<void> write_isolation(Context& context) { co_await context.write(defer_isolation); }

Task<void> defer_two(Tx& tx, std::string first, std::string last) {
    co_await tx.defer(sql::add_item, first, std::int64_t{1});
    co_await tx.defer(sql::add_item, last, std::int64_t{1});
}
Task<void> write_two(Context& context, std::string first, std::string last) {
    co_await context.write(defer_two, first, last);
}

Task<void> defer_sum(Tx& tx, std::atomic<int>* runs) {
    ++*runs;
    co_await tx.defer(add_to_all);
}
Task<void> write_sum(Context& context, std::atomic<int>* runs) {
    co_await context.write(defer_sum, runs);
}

Task<void> add_and_sleep(Tx& tx) {
    co_await tx.exec(add_to_all);
    co_await tx.one<std::int64_t>(half_a_second);
}
Task<void> hold_sum(Context& context) { co_await context.write(add_and_sleep); }

using Ids = std::shared_ptr<std::vector<std::int64_t>>;

Task<std::int64_t> defer_both(Tx& tx, Ids first, Ids last) {
    co_await tx.defer_many(first, sql::insert_item, "first", std::int64_t{1});
    co_await insert_item(tx, "between", 1);
    const auto known = static_cast<std::int64_t>(first->size());
    co_await tx.defer_many(last, sql::insert_item, "last", std::int64_t{1});
    co_return known;
}
Task<std::int64_t> write_both(Context& context, Ids first, Ids last) {
    co_return co_await context.write(defer_both, first, last);
}

Task<void> misread(Tx& tx, bool goes_on) {
    const auto texts = std::make_shared<std::vector<std::string>>();
    co_await tx.defer_many(texts, sql::insert_item, "misread", std::int64_t{1});
    if (goes_on) co_await insert_item(tx, "next", 1);
}
Task<void> write_misread(Context& context, bool goes_on) {
    co_await context.write(misread, goes_on);
}

}  // namespace

TEST_P(PostgresDeferred, ItsRowsComeWithTheNextStatementOrWithTheCommit) {
    const auto first = std::make_shared<std::vector<std::int64_t>>(3, 0);
    const auto last = std::make_shared<std::vector<std::int64_t>>();
    EXPECT_EQ(store().run(write_both, first, last), 1);
    ASSERT_EQ(first->size(), 1U);
    ASSERT_EQ(last->size(), 1U);
    EXPECT_EQ(last->at(0), first->at(0) + 2);
}

TEST_P(PostgresDeferred, RowsThatCannotBeReadAreNotTakenForACommit) {
    EXPECT_EQ(code_of([&] { store().run(write_misread, true); }), Errc::data_loss);
    EXPECT_EQ(store().run(item_count), 0);
    EXPECT_EQ(code_of([&] { store().run(write_misread, false); }), Errc::unavailable)
        << "it has been committed, for all that the caller may do about it";
    EXPECT_EQ(store().run(item_count), 1);
}

TEST_P(PostgresDeferred, HasTheIsolationOfEachTransaction) {
    store().run(write_isolation);
    EXPECT_EQ(psql("select name from items"), "repeatable read");
}

TEST_P(PostgresDeferred, AllOfItHappensOrNothing) {
    store().run(write_one, std::string("taken"));
    EXPECT_EQ(code_of([&] { store().run(write_two, std::string("new"), std::string("taken")); }),
              Errc::already_exists);
    EXPECT_EQ(code_of([&] { store().run(write_two, std::string("taken"), std::string("new")); }),
              Errc::already_exists);
    EXPECT_EQ(store().run(item_count), 1);
    store().run(write_two, std::string("one"), std::string("two"));
    EXPECT_EQ(store().run(item_count), 3);
}

TEST_P(PostgresDeferred, RunsAgainAfterAConflict) {
    store().run(write_one, std::string("item"));
    auto holder = store().start(Deadline::in(seconds(20)), hold_sum);
    ASSERT_TRUE(wait_until([&] { return store().run(ask, &sleepers) == 1; }, seconds(5)));
    std::atomic<int> runs{0};
    store().run(write_sum, &runs);
    holder.get();
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(psql("select quantity from items"), "3");
}

TEST_P(PostgresDeferred, EndsAtItsDeadlineAlsoOnTheServer) {
    auto holder = store().start(Deadline::in(seconds(4)), hold_name, std::string("held"));
    ASSERT_TRUE(wait_until([&] { return store().run(ask, &sleepers) == 1; }, seconds(2)));
    auto late = store().start(Deadline::in(milliseconds(500)), write_one, std::string("held"));
    // The server may end it first; if not, it may be committed yet for all that this side knows.
    const auto code = code_of([&] { late.get(); });
    EXPECT_TRUE(code == Errc::unavailable || code == Errc::deadline_exceeded);
    EXPECT_TRUE(wait_until([&] { return store().run(ask, &inserts_that_wait) == 0; }, seconds(2)));
    EXPECT_EQ(code_of([&] { holder.get(); }), Errc::deadline_exceeded);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(PostgresDeferred, ItsDeadlineIsNotThatOfWhatComesAfterIt) {
    options_.transactions_max = 1;
    for (int i = 0; i < 2; ++i) {
        store().start(Deadline::in(milliseconds(300)), write_one, std::to_string(i)).get();
        store().start(Deadline::in(seconds(20)), write_slowly).get();
    }
    auto taken = store().start(Deadline::in(milliseconds(300)), write_one, std::string("0"));
    EXPECT_EQ(code_of([&] { taken.get(); }), Errc::already_exists);
    store().start(Deadline::in(seconds(20)), write_slowly).get();
    EXPECT_EQ(store().run(item_count), 2);
}

TEST_P(PostgresDeferred, ASessionThatTheServerHasEndedIsNotACommitOfUnknownOutcome) {
    options_.transactions_max = 1;
    for (int i = 0; i < 20; ++i) {
        store().run(write_one, "before " + std::to_string(i));
        psql(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
            "current_database() "
            "and pid <> pg_backend_pid()");
        store().run(write_one, "after " + std::to_string(i));
    }
    EXPECT_EQ(store().run(item_count), 40);
}

// Deferred constraints are checked by the COMMIT, after the statement has been answered.
TEST_P(PostgresDeferred, ACommitThatFailsIsNotAcknowledged) {
    psql(
        "create table later (id bigint primary key, item bigint references items (id) deferrable "
        "initially deferred)");
    EXPECT_EQ(code_of([&] { store().run(write_orphan); }), Errc::conflict);
    EXPECT_EQ(psql("select count(*) from later"), "0");
}

// A connection that breaks without a word while it commits: the transaction may have happened, so
// it is not run again.
TEST_P(PostgresDeferred, ACommitWhoseAnswerIsLostIsNotRunAgain) {
    psql(
        "create function slow() returns trigger language plpgsql as $$ begin perform "
        "pg_sleep(0.5); "
        "return null; end $$");
    psql(
        "create constraint trigger slowly after insert on items deferrable initially deferred for "
        "each row execute function slow()");
    std::atomic<int> runs{0};
    auto write = store().start(Deadline::in(seconds(20)), write_counted, &runs);
    const std::string sleeping = "from pg_stat_activity where wait_event = 'PgSleep'";
    ASSERT_TRUE(wait_until([&] { return psql("select count(*) " + sleeping) == "1"; }, seconds(5)));
    const int pid = std::stoi(psql("select pid " + sleeping));
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    EXPECT_EQ(code_of([&] { write.get(); }), Errc::unavailable);
    EXPECT_EQ(runs, 1);
}

}  // namespace tests::conformance
