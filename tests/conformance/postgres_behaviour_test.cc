// What only PostgreSQL does: deadlocks, plans that grow old, limits of its own, secrets in its
// URL.
#include "tests/conformance/postgres_test.h"
#include "tests/conformance/replica_sessions.h"
#include "tests/support/pg_bouncer.h"

namespace tests::conformance {

namespace {

class PostgresBehaviour : public Postgres {};

constexpr loadstone::store::Query first_item{"test.first_item", "",
                                             "select * from items order by id limit 1", 0};
constexpr loadstone::store::Query prepared_count{
    "test.prepared_count", "",
    "select count(*) from pg_prepared_statements where statement like 'select quantity%'", 0};
constexpr loadstone::store::Query session_settings{
    "test.session_settings", "",
    "select current_setting('default_transaction_read_only') || ' ' || "
    "current_setting('statement_timeout')",
    0};
constexpr loadstone::store::Query tx_settings{
    "test.tx_settings", "",
    "select current_setting('transaction_isolation') || ' ' || "
    "(extract(epoch from current_setting('statement_timeout')::interval) <= 5)::text",
    0};
constexpr loadstone::store::Query large_rows{
    "test.large_rows", "",
    "select number, repeat('x', 10000) as words from generate_series(1::bigint, 2000) as number",
    0};
constexpr loadstone::store::Query sleeping_backends{
    "test.sleeping_backends", "",
    "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(60)%' "
    "and pid <> pg_backend_pid()",
    0};

Task<void> add_to_two(Tx& tx, std::string one, std::string other) {
    co_await tx.exec(sql::add_quantity, one, std::int64_t{1});
    co_await tx.one<std::int64_t>(sql::takes_a_moment, std::int64_t{1});
    co_await tx.exec(sql::add_quantity, other, std::int64_t{1});
}
Task<void> update_two(Context& context, std::string one, std::string other) {
    co_await context.write(add_to_two, one, other);
}

struct ItemAndMore {
    std::int64_t id = 0;
    std::string name;
    std::int64_t quantity = 0;
    std::string more;
};
BOOST_DESCRIBE_STRUCT(ItemAndMore, (), (id, name, quantity, more))

Task<Item> read_first(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.one<Item>(first_item);
}
Task<ItemAndMore> read_first_and_more(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.one<ItemAndMore>(first_item);
}
Task<void> first_in_tx(Tx& tx) { co_await tx.one<Item>(first_item); }
Task<void> first_and_more_in_tx(Tx& tx) { co_await tx.one<ItemAndMore>(first_item); }
Task<void> write_first(Context& context) { co_await context.write(first_in_tx); }
Task<void> write_first_and_more(Context& context) { co_await context.write(first_and_more_in_tx); }

Task<std::int64_t> count_of(Context& context, const loadstone::store::Query* query) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(*query);
}
Task<std::string> text_of(Context& context, const loadstone::store::Query* query) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::string>(*query);
}
Task<std::string> text_in_tx(Tx& tx) { co_return co_await tx.one<std::string>(tx_settings); }
Task<std::string> write_text(Context& context) { co_return co_await context.write(text_in_tx); }

Task<void> read_long(Context& context) {
    Reader reader = context.reader();
    co_await reader.one<std::int64_t>(sql::takes_long, std::int64_t{1});
}
Task<void> long_in_tx(Tx& tx) { co_await tx.one<std::int64_t>(sql::takes_long, std::int64_t{1}); }
Task<void> write_long(Context& context) { co_await context.write(long_in_tx); }
Task<void> moment_in_tx(Tx& tx) {
    co_await tx.one<std::int64_t>(sql::takes_a_moment, std::int64_t{1});
}
Task<void> write_moment(Context& context) { co_await context.write(moment_in_tx); }

Task<void> add_text(Tx& tx, std::string name) { co_await insert_item(tx, name, 1); }
Task<void> write_text_with_nul(Context& context) {
    const std::string name("nul\0inside", 10);
    co_await context.write(add_text, name);
}

struct Numbered {
    std::int64_t number = 0;
    std::string words;
};
BOOST_DESCRIBE_STRUCT(Numbered, (), (number, words))

constexpr std::int64_t many_rows = 300'000;

Task<std::int64_t> stream(Context& context) {
    Reader reader = context.reader();
    std::int64_t sum = 0;
    auto add = [&](const Numbered& row) { sum += row.number; };
    co_await reader.each<Numbered>(sql::numbers_below, add, many_rows);
    co_return sum;
}
Task<void> stream_into(Tx& tx, std::int64_t* sum) {
    auto add = [&](const Numbered& row) { *sum += row.number; };
    co_await tx.each<Numbered>(sql::numbers_below, add, many_rows);
}
Task<void> write_stream(Context& context, std::int64_t* sum) {
    co_await context.write(stream_into, sum);
}

Task<std::int64_t> gather_at_once(Context& context, std::int64_t rows) {
    Reader reader = context.reader();
    const auto all = co_await reader.many<Numbered>(loadstone::store::at_once(sql::numbers_between),
                                                    std::int64_t{0}, rows);
    std::int64_t sum = 0;
    for (const Numbered& row : all) sum += row.number;
    co_return sum;
}
Task<std::size_t> gather_large_rows(Context& context) {
    Reader reader = context.reader();
    const auto all = co_await reader.many<Numbered>(loadstone::store::at_once(large_rows));
    std::size_t bytes = 0;
    for (const Numbered& row : all) bytes += row.words.size();
    co_return bytes;
}
Task<std::int64_t> gather_at_once_in_tx(Tx& tx, std::int64_t rows) {
    const auto all = co_await tx.many<Numbered>(loadstone::store::at_once(sql::numbers_between),
                                                std::int64_t{0}, rows);
    co_return static_cast<std::int64_t>(all.size());
}
Task<std::int64_t> write_gathering_at_once(Context& context, std::int64_t rows) {
    co_return co_await context.write(gather_at_once_in_tx, rows);
}

// Read, then write what follows from it: under REPEATABLE READ one of two at once fails with 40001.
Task<void> add_by_hand(Tx& tx) {
    const auto value = co_await tx.one<std::int64_t>(sql::quantity_of, "counter");
    co_await tx.exec(sql::set_quantity, "counter", value + 1);
}
Task<void> add_one(Context& context) { co_await context.write(add_by_hand); }

// Another session always commits between this one's read and its write.
Task<void> add_too_late(Tx& tx, TestStore* other, int* runs) {
    ++*runs;
    const auto value = co_await tx.one<std::int64_t>(sql::quantity_of, "counter");
    other->start(Deadline::in(std::chrono::seconds(10)), add_one).get();
    co_await tx.exec(sql::set_quantity, "counter", value + 1'000);
}
Task<void> write_too_late(Context& context, TestStore* other, int* runs) {
    co_await context.write(add_too_late, other, runs);
}

Task<void> write_too_late_in_a_route(Context& context, TestStore* other, int* runs) {
    auto& registry = context.services().get<loadstone::telemetry::Registry>();
    const auto label =
        registry.add_label(loadstone::telemetry::LabelKind::route, "write_too_late", "test");
    context.span().start(label, registry.name_of(label));
    co_await context.write(add_too_late, other, runs);
}

// Holds its server connection meanwhile.
Task<void> hold(Tx& tx, TestStore* other, std::optional<Errc>* told) {
    co_await insert_item(tx, "held", 1);
    *told = code_of([&] { other->start(Deadline::in(std::chrono::seconds(1)), item_count).get(); });
}
Task<void> write_and_hold(Context& context, TestStore* other, std::optional<Errc>* told) {
    co_await context.write(hold, other, told);
}

double conflicts_retried(TestStore& store) {
    return metric_sum(store.registry(), "loadstone_postgres_transaction_retries_total", "conflict");
}

}  // namespace

TEST_F(PostgresBehaviour, OfTwoInADeadlockOneRunsAgain) {
    store().run(add_item, std::string("a"), std::int64_t{0});
    store().run(add_item, std::string("b"), std::int64_t{0});
    psql("alter database \"" + database_.name() + "\" set deadlock_timeout = '50ms'");
    store_.reset();
    const auto deadline = Deadline::in(std::chrono::seconds(20));
    auto one = store().start(deadline, update_two, std::string("a"), std::string("b"));
    auto other = store().start(deadline, update_two, std::string("b"), std::string("a"));
    one.get();
    other.get();
    EXPECT_EQ(store().run(quantity_of, std::string("a")), 2);
    EXPECT_EQ(store().run(quantity_of, std::string("b")), 2);
}

TEST_F(PostgresBehaviour, AStatementWhoseResultTypeChangedIsPreparedAgain) {
    options_.transactions_max = 1;
    store().run(add_item, std::string("a"), std::int64_t{1});
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(store().run(read_first).name, "a");
        store().run(write_first);
    }
    psql("alter table items add column more text not null default 'more'");
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(store().run(read_first_and_more).more, "more");
        store().run(write_first_and_more);
    }
}

TEST_F(PostgresBehaviour, AStatementIsPreparedOnceOnAConnection) {
    store_.emplace(options_, 1);
    store().run(add_item, std::string("a"), std::int64_t{1});
    for (int i = 0; i < 50; ++i) store().run(quantity_of, std::string("a"));
    EXPECT_EQ(store().run(count_of, &prepared_count), 1);
}

TEST_F(PostgresBehaviour, ReadersAreReadOnlyWithATimeoutOfTheirOwn) {
    options_.statement_timeout_max = std::chrono::milliseconds(12'345);
    EXPECT_EQ(store().run(text_of, &session_settings), "on 12345ms");
}

TEST_F(PostgresBehaviour, ATransactionHasOneSnapshotAndATimeoutThatFollowsItsDeadline) {
    auto settings = store().start(Deadline::in(std::chrono::seconds(5)), write_text);
    EXPECT_EQ(settings.get(), "repeatable read true");
}

TEST_F(PostgresBehaviour, TheServerStopsWorkingOnWhatNobodyAwaits) {
    store().run(item_count);
    auto read = store().start(Deadline::in(std::chrono::milliseconds(200)), read_long);
    auto write = store().start(Deadline::in(std::chrono::milliseconds(200)), write_long);
    EXPECT_EQ(code_of([&] { read.get(); }), Errc::deadline_exceeded);
    EXPECT_EQ(code_of([&] { write.get(); }), Errc::deadline_exceeded);
    EXPECT_TRUE(wait_until([&] { return store().run(count_of, &sleeping_backends) == 0; },
                           std::chrono::seconds(2)));
}

TEST_F(PostgresBehaviour, StatementTimeoutMaxBoundsAReadWithoutADeadline) {
    options_.statement_timeout_max = std::chrono::milliseconds(300);
    auto read = store().start(Deadline::unbounded(), read_long);
    EXPECT_EQ(code_of([&] { read.get(); }), Errc::deadline_exceeded);
    auto write = store().start(Deadline::unbounded(), write_long);
    EXPECT_EQ(code_of([&] { write.get(); }), Errc::deadline_exceeded);
}

TEST_F(PostgresBehaviour, TransactionsWaitForAConnectionInABoundedQueue) {
    options_.transactions_max = 2;
    options_.transaction_waiters_max = 4;
    store().run(write_moment);
    std::vector<std::future<void>> calls;
    for (int i = 0; i < 20; ++i) {
        calls.push_back(store().start(Deadline::in(std::chrono::seconds(20)), write_moment));
    }
    int done = 0;
    int refused = 0;
    for (auto& call : calls) {
        const auto code = code_of([&] { call.get(); });
        if (!code) ++done;
        if (code == Errc::unavailable) ++refused;
    }
    EXPECT_GE(done, 6);
    EXPECT_EQ(done + refused, 20);
    EXPECT_GT(refused, 0);
}

TEST_F(PostgresBehaviour, ATransactionThatGetsNoConnectionEndsAtItsDeadline) {
    options_.transactions_max = 1;
    store().run(item_count);
    auto holder = store().start(Deadline::in(std::chrono::seconds(1)), write_long);
    ASSERT_TRUE(wait_until([&] { return store().run(count_of, &sleeping_backends) == 1; }));
    const auto started = std::chrono::steady_clock::now();
    auto waiter = store().start(Deadline::in(std::chrono::milliseconds(200)), write_moment);
    EXPECT_EQ(code_of([&] { waiter.get(); }), Errc::deadline_exceeded);
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(600));
    EXPECT_EQ(code_of([&] { holder.get(); }), Errc::deadline_exceeded);
    EXPECT_NO_THROW(store().run(write_moment));
}

TEST_F(PostgresBehaviour, TextWithANulIsRefused) {
    EXPECT_EQ(code_of([&] { store().run(write_text_with_nul); }), Errc::invalid_argument);
}

TEST_F(PostgresBehaviour, NoPasswordIsInAnError) {
    const std::string secret = "s3cr3t";
    for (const std::string& url : {"postgres://user:" + secret + "@127.0.0.1:1/db",
                                   "postgres://user:" + secret + "@127.0.0.1:x/db",
                                   "postgres://user:" + secret + "@127.0.0.1/db?nonsense=1",
                                   "postgres://127.0.0.1:1/db?password=" + secret,
                                   "postgres://user:" + secret + "@[::1/db"}) {
        auto options = options_;
        options.url = url;
        try {
            loadstone::store::plan_migrations(options, all_migrations());
            ADD_FAILURE() << "it connected";
        } catch (const Error& error) {
            EXPECT_EQ(error.message().find(secret), std::string::npos) << error.message();
        }
        try {
            TestStore unreachable(options);
            unreachable.start(Deadline::in(std::chrono::milliseconds(300)), item_count).get();
            ADD_FAILURE() << "it connected";
        } catch (const Error& error) {
            EXPECT_EQ(error.message().find(secret), std::string::npos) << error.message();
        }
    }
}

TEST_F(PostgresBehaviour, AUrlWithAnUnknownPoolerIsRefused) {
    options_.url += "?pooler=session";
    EXPECT_EQ(code_of([&] { store(); }), Errc::invalid_argument);
}

TEST_F(PostgresBehaviour, AHostNameIsResolved) {
    options_.url =
        "postgres://postgres@localhost:" + std::to_string(server_.port()) + "/" + database_.name();
    EXPECT_EQ(store().run(item_count), 0);
    EXPECT_GT(store().run(add_item, std::string("a"), std::int64_t{1}), 0);
}

TEST(PostgresTls, CarriesLargeResultsWhole) {
    PostgresOptions server_options;
    server_options.tls = true;
    PostgresServer server(server_options);
    TestDatabase database(server);
    auto options = test_options(database.url() + "?sslmode=require");
    loadstone::store::migrate(options, all_migrations());
    TestStore store(options);
    constexpr std::int64_t sum = many_rows * (many_rows - 1) / 2;
    std::vector<std::future<std::int64_t>> reads;
    for (int i = 0; i < 4; ++i) {
        reads.push_back(store.start(Deadline::in(std::chrono::seconds(60)), stream));
    }
    for (auto& read : reads) EXPECT_EQ(read.get(), sum);
    std::int64_t in_tx = 0;
    store.run(write_stream, &in_tx);
    EXPECT_EQ(in_tx, sum);
    EXPECT_GT(store.run(add_item, std::string("a"), std::int64_t{1}), 0);
}

TEST_F(PostgresBehaviour, RowsThatComeAtOnceAreTheSame) {
    EXPECT_EQ(store().run(gather_at_once, 0), 0);
    EXPECT_EQ(store().run(gather_at_once, 1'000), 499'500);
    EXPECT_EQ(store().run(write_gathering_at_once, 1'000), 1'000);
}

// What waits in the socket is not counted at each read of a part of it.
TEST_F(PostgresBehaviour, LargeRowsComeAtOnce) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(store().run(gather_large_rows), 20'000'000U);
}

// 64 MiB is the most that libpq may gather: then the connection is given up, and another serves.
TEST_F(PostgresBehaviour, MoreThanMayComeAtOnceIsStopped) {
    constexpr std::int64_t without_end = 1'000'000'000;
    EXPECT_THROW(store().run(gather_at_once, without_end), Error);
    EXPECT_THROW(store().run(write_gathering_at_once, without_end), Error);
    EXPECT_EQ(store().run(gather_at_once, 1'000), 499'500);
    EXPECT_GT(store().run(add_item, std::string("a"), std::int64_t{1}), 0);
}

TEST_F(PostgresBehaviour, AUnixSocketServes) {
    options_.url = "postgres://postgres@/" + database_.name() +
                   "?host=" + server_.socket_directory() +
                   "&port=" + std::to_string(server_.port());
    EXPECT_EQ(store().run(item_count), 0);
    EXPECT_GT(store().run(add_item, std::string("a"), std::int64_t{1}), 0);
}

TEST_F(PostgresBehaviour, SerialisationFailuresAreRetriedAndLoseNothing) {
    TestStore other(options_);
    store().run(add_item, std::string("counter"), std::int64_t{0});
    constexpr int increments = 400;
    std::vector<std::future<void>> running;
    for (int i = 0; i < increments; ++i) {
        TestStore& one = i % 2 == 0 ? store() : other;
        running.push_back(one.start(Deadline::in(std::chrono::seconds(60)), add_one));
    }
    for (auto& one : running) one.get();
    EXPECT_EQ(store().run(quantity_of, std::string("counter")), increments);
    EXPECT_GT(conflicts_retried(store()) + conflicts_retried(other), 0);
}

TEST_F(PostgresBehaviour, SerialisationFailuresBeyondTheBoundAreAConflict) {
    options_.transaction_attempts_max = 3;
    TestStore other(options_);
    store().run(add_item, std::string("counter"), std::int64_t{0});
    int runs = 0;
    EXPECT_EQ(code_of([&] { store().run(write_too_late, &other, &runs); }), Errc::conflict);
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(conflicts_retried(store()), 2);
    EXPECT_EQ(store().run(quantity_of, std::string("counter")), 3);  // the other one's
}

// A body that runs again asks the same again.
TEST_F(PostgresBehaviour, SerialisationFailuresAreNoRepeats) {
    options_.transaction_attempts_max = 4;
    options_.statistics.repeats_max = 2;
    options_.statistics.strict = true;
    TestStore other(options_);
    store().run(add_item, std::string("counter"), std::int64_t{0});
    int runs = 0;
    EXPECT_EQ(code_of([&] { store().run(write_too_late_in_a_route, &other, &runs); }),
              Errc::conflict);
    EXPECT_EQ(runs, 4);
}

TEST_F(PostgresBehaviour, WithoutAServerConnectionOfThePoolerCallsEndAtTheirDeadline) {
    PgBouncer bouncer(server_, 1);
    options_.url = bouncer.url(database_.name());
    TestStore other(options_);
    EXPECT_EQ(other.run(item_count), 0);
    std::optional<Errc> told;
    store().run(write_and_hold, &other, &told);
    EXPECT_EQ(told, Errc::deadline_exceeded);
    EXPECT_EQ(other.run(item_count), 1);
    store_.reset();  // before the pooler
}

}  // namespace tests::conformance
