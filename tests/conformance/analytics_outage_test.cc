// The column store is out of order, behind, or has been given other facts than the database has:
// facts wait within their bound, and nobody is answered with what is not so.

#include "loadstone/analytics/internal/feed_rows.h"
#include "loadstone/analytics/internal/history.h"
#include "loadstone/analytics/internal/wire.h"
#include "tests/conformance/analytics_stage.h"

namespace tests::conformance {

namespace internal = loadstone::analytics::internal;

namespace {

Task<internal::FeedState> feed_state(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.one<internal::FeedState>(analytics::sql::feed_state);
}
Task<void> put_back(Tx& tx, internal::FeedState to) {
    co_await tx.exec(analytics::sql::note_carried, to.store, to.low, to.high, to.seq, to.as_of,
                     to.history);
}
Task<void> put_feed_back(Context& context, internal::FeedState to) {
    co_await context.write(put_back, to);
}

// What the feed would send next, with the history behind it.
struct NextBatch {
    analytics::Position from, to;
    std::int64_t history = 0;
    std::string rows;
};
Task<NextBatch> next_batch(Context& context, internal::StoreState state) {
    Reader reader = context.reader();
    const auto now = co_await reader.one<internal::Transactions>(analytics::sql::transactions_now);
    NextBatch next;
    next.from = next.to = state.position;
    next.history = state.history;
    if (now.next > 0) next.to = {state.position.high, now.oldest, 0};
    internal::WireWriter to(next.rows);
    auto take = [&](const internal::StoredFact& fact) {
        to.integer(0);
        to.text({reinterpret_cast<const char*>(fact.body.data()), fact.body.size()});
        next.history = internal::next_history(next.history, fact);
        next.to.seq = fact.seq;
    };
    const analytics::Position at = next.to;
    const std::int64_t limit = 1'000;
    co_await reader.each<internal::StoredFact>(analytics::sql::facts_of_window, take, at.low,
                                               at.high, at.seq, limit);
    co_return next;
}

// Holds its transaction until it is told, asking the database meanwhile.
Task<void> hold(Tx& tx, std::atomic<bool>* has_begun, std::atomic<bool>* may_end) {
    const std::string name = "held";
    const std::int64_t quantity = 1;
    co_await tx.one<std::int64_t>(sql::insert_item, name, quantity);
    while (!*may_end) {
        co_await tx.one<std::int64_t>(sql::item_count);
        *has_begun = true;
    }
}
Task<void> write_and_hold_open(Context& context, std::atomic<bool>* has_begun,
                               std::atomic<bool>* may_end) {
    co_await context.write(hold, has_begun, may_end);
}

Task<Sums> young_sums(Context& context, std::chrono::milliseconds age) {
    context.reading().freshness = loadstone::within(age);
    const auto answer = co_await analytics::query<Sums>(context, sums);
    co_return answer.rows.at(0);
}

}  // namespace

class AnalyticsOutOfOrder : public Analytics {
protected:
    void measure() {
        store().run([](Context& context, analytics::Feed* of) { return of->measure(context); },
                    feed_.get());
    }
    bool is_refused() {
        return code_of([&] { store().run(write_visits, std::int64_t{0}, std::int64_t{1}); }) ==
               Errc::resource_exhausted;
    }
    // As one that has died in the midst: the store has a batch, the database has not noted it.
    void apply_and_die(bool are_other_facts) {
        const internal::StoreState state = analytics_->store().state(2'000);
        const NextBatch next = store().run(next_batch, state);
        internal::FactBatch batch;
        batch.from = next.from;
        batch.to = next.to;
        batch.history = next.history + (are_other_facts ? 1 : 0);
        batch.forms.push_back({&recorder_->tables().at(0).schema, ""});
        batch.rows = next.rows;
        analytics_->store().apply(batch, 2'000);
        new_feed();
    }
    void expect_refused_for_good() {
        for (int i = 0; i < 3; ++i) {
            expect_refused();
            store().run(write_visits, std::int64_t{1'000}, std::int64_t{1'250});
            new_feed();
        }
        stop();
        start<Visit>();
        expect_refused();
    }
    // When the lease of the one before has run out.
    void expect_refused() {
        EXPECT_TRUE(wait_until([&] { return code_of([&] { step(); }) == Errc::data_loss; }));
        EXPECT_EQ(code_of([&] { sums_of_store(); }), Errc::unavailable);
    }
};
class AnalyticsHeldBack : public AnalyticsOutOfOrder {};

TEST_P(AnalyticsOutOfOrder, TheBoundHoldsWithoutAStore) {
    if (is_to_clickhouse())
        clickhouse().kill();
    else
        facts_options_.program = "/nonexistent";
    start<Visit>(150);
    store().run(write_visits, std::int64_t{0}, std::int64_t{149});
    EXPECT_EQ(code_of([&] { step(); }), Errc::unavailable);
    measure();
    EXPECT_EQ(recorder_->waiting(), 149);
    EXPECT_FALSE(is_refused());
    measure();
    EXPECT_EQ(recorder_->waiting(), 150);
    EXPECT_TRUE(is_refused());
    EXPECT_GT(feed_->report().waiting, 0);
    EXPECT_FALSE(feed_->report().is_carrying && !is_to_clickhouse());
    if (is_to_clickhouse()) clickhouse().start();
    stop();
    facts_options_.program =
        std::string(std::getenv("LOADSTONE_BUILD_DIR")) + "/bin/loadstone-duckdb";
    start<Visit>(150);
    measure();
    EXPECT_TRUE(is_refused()) << "by a process that has just begun";
    carry_all();
    measure();
    EXPECT_EQ(recorder_->waiting(), 0);
    EXPECT_FALSE(is_refused());
}

TEST_P(AnalyticsOutOfOrder, ABatchThatWasNotNotedIsKnownAgain) {
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    carry_all();
    store().run(write_visits, std::int64_t{100}, std::int64_t{150});
    apply_and_die(false);
    store().run(write_visits, std::int64_t{150}, std::int64_t{200});
    carry_all();
    expect_visits(200);
}

TEST_P(AnalyticsOutOfOrder, ABatchOfOtherFactsIsRefusedForGood) {
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    carry_all();
    store().run(write_visits, std::int64_t{100}, std::int64_t{150});
    apply_and_die(true);
    expect_refused_for_good();
}

// Its facts are those of an earlier day, and its numbers go on.
TEST_P(AnalyticsOutOfOrder, ADatabaseThatWasPutBackIsRefusedForGood) {
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{50});
    carry_all();
    const auto earlier = store().run(feed_state);
    store().run(write_visits, std::int64_t{50}, std::int64_t{100});
    carry_all();
    store().run(put_feed_back, earlier);
    new_feed();
    expect_refused_for_good();
}

TEST_P(AnalyticsOutOfOrder, NobodyIsAnsweredBeforeItIsKnownWhoseStoreItIs) {
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{50});
    EXPECT_EQ(code_of([&] { sums_of_store(); }), Errc::unavailable);
    carry_all();
    expect_visits(50);
}

// By a feed that makes no step.
TEST_P(AnalyticsOutOfOrder, WhoAsksForAYoungerStateThanThereIsIsRefused) {
    using std::chrono::milliseconds;
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{10});
    carry_all();
    EXPECT_EQ(store().run(young_sums, milliseconds(60'000)).facts, 10);
    EXPECT_TRUE(wait_until([&] {
        return code_of([&] { store().run(young_sums, milliseconds(300)); }) == Errc::unavailable;
    }));
    expect_visits(10);  // who does not is told as of when
    const auto refused =
        store().registry().counter("loadstone_analytics_too_old_total", "", "").value();
    EXPECT_EQ(refused, 1U);
}

TEST_P(AnalyticsOutOfOrder, AStateBeyondTheBoundIsShownToNobodyUntilItIsWithinItAgain) {
    facts_options_.answer_lag_max = std::chrono::milliseconds(2'000);
    facts_options_.lag_max = std::chrono::milliseconds(500);
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{10});
    carry_all();
    expect_visits(10);
    store().run(write_visits, std::int64_t{10}, std::int64_t{20});
    EXPECT_TRUE(wait_until([&] { return code_of([&] { sums_of_store(); }) == Errc::unavailable; }));
    measure();
    const std::string late = analytics::lateness_of(feed_->report());
    EXPECT_NE(late.find("s old, beyond analytics.lag_max_ms; 10 facts wait"), std::string::npos)
        << late;
    carry_all();
    measure();
    EXPECT_EQ(analytics::lateness_of(feed_->report()), "");
    expect_visits(20);
}

// A transaction that runs long holds back what came after it began.
TEST_P(AnalyticsHeldBack, ItIsToldWhatHoldsFactsBackBeyondTheBound) {
    facts_options_.lag_max = std::chrono::milliseconds(200);
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{10});
    carry_all();
    measure();
    EXPECT_FALSE(feed_->report().is_late);
    std::atomic<bool> has_begun{false}, may_end{false};
    auto held = store().start(Deadline::in(std::chrono::seconds(20)), write_and_hold_open,
                              &has_begun, &may_end);
    ASSERT_TRUE(wait_until([&] { return has_begun.load(); }));
    store().run(write_visits, std::int64_t{10}, std::int64_t{20});
    EXPECT_TRUE(wait_until([&] {
        step();
        measure();
        return feed_->report().is_late;
    }));
    EXPECT_NE(feed_->report().held_by.find("process "), std::string::npos)
        << feed_->report().held_by;
    may_end = true;
    held.get();
    carry_all();
    measure();
    EXPECT_FALSE(feed_->report().is_late);
    EXPECT_EQ(feed_->report().held_by, "");
    expect_visits(20);
}

INSTANTIATE_TEST_SUITE_P(On, AnalyticsOutOfOrder,
                         ::testing::Values(Way{Backend::sqlite}, Way{Backend::postgres},
                                           Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });
INSTANTIATE_TEST_SUITE_P(On, AnalyticsHeldBack,
                         ::testing::Values(Way{Backend::postgres}, Way{Backend::pgbouncer}),
                         [](const auto& way) { return to_string(way.param); });

}  // namespace tests::conformance
