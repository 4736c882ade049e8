// What is deferred goes with the commit, and what becomes of it is known as of any commit.
#include <signal.h>

#include <atomic>
#include <memory>
#include <vector>

#include "tests/conformance/postgres_test.h"

namespace tests::conformance {

namespace {

class PostgresDeferred : public Postgres {};

using std::chrono::milliseconds;
using std::chrono::seconds;

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

TEST_F(PostgresDeferred, ItsRowsComeWithTheNextStatementOrWithTheCommit) {
    const auto first = std::make_shared<std::vector<std::int64_t>>(3, 0);
    const auto last = std::make_shared<std::vector<std::int64_t>>();
    EXPECT_EQ(store().run(write_both, first, last), 1);
    ASSERT_EQ(first->size(), 1U);
    ASSERT_EQ(last->size(), 1U);
    EXPECT_EQ(last->at(0), first->at(0) + 2);
}

TEST_F(PostgresDeferred, RowsThatCannotBeReadAreNotTakenForACommit) {
    EXPECT_EQ(code_of([&] { store().run(write_misread, true); }), Errc::data_loss);
    EXPECT_EQ(store().run(item_count), 0);
    EXPECT_EQ(code_of([&] { store().run(write_misread, false); }), Errc::unavailable)
        << "it has been committed, for all that the caller may do about it";
    EXPECT_EQ(store().run(item_count), 1);
}

TEST_F(PostgresDeferred, EndsAtItsDeadlineAlsoOnTheServer) {
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

TEST_F(PostgresDeferred, ItsDeadlineIsNotThatOfWhatComesAfterIt) {
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

TEST_F(PostgresDeferred, ASessionThatTheServerHasEndedIsNotACommitOfUnknownOutcome) {
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
TEST_F(PostgresDeferred, ACommitThatFailsIsNotAcknowledged) {
    psql(
        "create table later (id bigint primary key, item bigint references items (id) deferrable "
        "initially deferred)");
    EXPECT_EQ(code_of([&] { store().run(write_orphan); }), Errc::conflict);
    EXPECT_EQ(psql("select count(*) from later"), "0");
}

// A connection that breaks without a word while it commits: the transaction may have happened, so
// it is not run again.
TEST_F(PostgresDeferred, ACommitWhoseAnswerIsLostIsNotRunAgain) {
    psql(
        "create function slow() returns trigger language plpgsql as $$ begin perform "
        "pg_sleep(0.5); "
        "return null; end $$");
    psql(
        "create constraint trigger slowly after insert on items deferrable initially deferred for "
        "each row execute function slow()");
    std::atomic<int> runs{0};
    auto write = store().start(Deadline::in(seconds(20)), write_counted, &runs);
    ASSERT_TRUE(wait_until(
        [&] {
            return psql(
                       "select count(*) from pg_stat_activity where query = "
                       "'commit' and state = 'active'") == "1";
        },
        seconds(5)));
    const int pid =
        std::stoi(psql("select pid from pg_stat_activity where query = 'commit' and state = "
                       "'active'"));
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    EXPECT_EQ(code_of([&] { write.get(); }), Errc::unavailable);
    EXPECT_EQ(runs, 1);
}

}  // namespace tests::conformance
