// Several servers reach one column store: they take turns, and what comes late from a former one
// has no effect.

#include <fmt/core.h>

#include "loadstone/analytics/internal/feed_lease.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "tests/conformance/analytics_stage.h"

namespace tests::conformance {

// Where several servers reach the store.
class AnalyticsOfSeveral : public Analytics {};

TEST_P(AnalyticsOfSeveral, TakeTurnsAndLoseAndDoubleNothing) {
    start<Visit>();
    analytics::Analytics other_analytics(facts_options_, store().registry());
    analytics::Feed other(other_analytics, *recorder_, store().services(), store().registry());
    std::int64_t written = 0;
    for (int turn = 0; turn < 4; ++turn) {
        analytics::Feed* const feeds[] = {feed_.get(), &other};
        analytics::Feed* const next = feeds[turn % 2];
        store().run(write_visits, written, written + 150);
        written += 150;
        // Whoever has it does nothing more, as one whose machine stands still: its lease runs out.
        ASSERT_TRUE(wait_until([&] {
            while (step_of(*next)) {
            }
            return next->report().is_carrying && store().run(facts_kept) == 0;
        }));
        // The one before takes its next step, late.
        EXPECT_FALSE(step_of(*feeds[(turn + 1) % 2]));
        EXPECT_FALSE(feeds[(turn + 1) % 2]->report().is_carrying);
        expect_visits(written);
    }
}

// What one who fed the store before sends when another has taken its place: rows, position and all.
TEST_P(AnalyticsOfSeveral, WhatComesLateFromAFormerOneIsNotThere) {
    namespace internal = loadstone::analytics::internal;
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    carry_all();
    const std::int64_t epoch = analytics_->store().state(1'000).epoch;
    const auto former = internal::open_store(facts_options_);
    const internal::StoreState begun = former->begin(epoch + 1, 1'000);
    // It stands still; its lease runs out; another one carries on.
    store().run(write_visits, std::int64_t{100}, std::int64_t{150});
    new_feed();
    carry_all();
    expect_visits(150);

    const analytics::FactTable& table = recorder_->tables().at(0);
    std::string rows;
    internal::WireWriter to(rows);
    for (std::int64_t i = 100; i < 150; ++i) {
        Visit visit;
        visit.number = i;
        to.integer(0);
        to.text(internal::row_bytes(*table.type, &visit));
    }
    internal::FactBatch batch;
    batch.from = batch.to = begun.position;
    batch.to.seq += 50;
    batch.forms.push_back({&table.schema, ""});
    batch.rows = rows;
    EXPECT_EQ(code_of([&] { former->apply(batch, 1'000); }), Errc::conflict) << "it learns it";
    EXPECT_EQ(clickhouse().run("facts", "select count() from loadstone_rows_visits"), "200\n")
        << "its rows are stored";
    expect_visits(150);
    // Its beginning once more, as if that had been on its way so long.
    clickhouse().run("facts",
                     fmt::format("insert into loadstone_epochs values (1, {}, [])", epoch + 1));
    expect_visits(150);
    EXPECT_EQ(code_of([&] { former->begin(epoch + 1, 1'000); }), Errc::conflict);

    store().run(write_visits, std::int64_t{150}, std::int64_t{200});
    new_feed();
    carry_all();
    expect_visits(200);
}

class AnalyticsWithALease : public Analytics {};

// As a copy of the database, put back from a backup, that still names the ClickHouse of the first.
TEST_P(AnalyticsWithALease, ACopyDoesNotTakeTheStoreFromTheFirst) {
    const std::string epochs = "select max(epoch), count() from loadstone_epochs";
    const auto is_refused = [this](Errc code) {
        stop();
        start<Visit>();
        return wait_until([&] { return code_of([&] { step(); }) == code; });
    };
    start<Visit>();
    store().run(write_visits, std::int64_t{0}, std::int64_t{100});
    carry_all();
    const std::string before = clickhouse().run("facts", epochs);
    EXPECT_EQ(
        clickhouse().run("facts",
                         "insert into loadstone_commits select epoch, version + 1, batch + 1, "
                         "'', low, high, seq + 1000, as_of, 0, 0, 0, 0 from loadstone_commits "
                         "where fact = '' order by version desc limit 1"),
        "");
    EXPECT_TRUE(is_refused(Errc::data_loss)) << "it has more than this database ever gave";
    EXPECT_EQ(clickhouse().run("facts", epochs), before) << "who feeds it is shut out";
    EXPECT_EQ(clickhouse().run("facts", "insert into loadstone_store values (1000, 'another')"),
              "");
    EXPECT_TRUE(is_refused(Errc::conflict)) << "another store";
    EXPECT_EQ(clickhouse().run("facts", epochs), before) << "who feeds it is shut out";
}

struct Prolonged {
    bool is_free_after = true, has_failed = false;
};
Task<Prolonged> work_for_two_leases(Context& context, analytics::Analytics* store) {
    namespace internal = loadstone::analytics::internal;
    using std::chrono::steady_clock;
    constexpr std::chrono::milliseconds lease(900);
    internal::FeedLease ours(lease), others(lease);
    co_await ours.take(context, 1);
    const auto end = steady_clock::now() + 2 * lease;
    auto work = [end] { wait_until([end] { return steady_clock::now() > end; }); };
    co_await internal::run_in_term(context, store->feeding(), ours.term(), work);
    Prolonged prolonged;
    prolonged.is_free_after = co_await others.is_ours_or_free(context);
    auto fails = [] { throw Error(Errc::unavailable, "on purpose"); };
    try {
        co_await internal::run_in_term(context, store->feeding(), ours.term(), fails);
    } catch (const Error& error) {
        prolonged.has_failed = error.code() == Errc::unavailable;
    }
    co_return prolonged;
}

TEST_P(AnalyticsWithALease, ItIsProlongedWhileTheStoreWorks) {
    start<Visit>();
    const Prolonged found = store().run(work_for_two_leases, analytics_.get());
    EXPECT_FALSE(found.is_free_after) << "another one takes it in the midst of a write";
    EXPECT_TRUE(found.has_failed);
}

INSTANTIATE_TEST_SUITE_P(On, AnalyticsWithALease, ::testing::Values(Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });

INSTANTIATE_TEST_SUITE_P(On, AnalyticsOfSeveral,
                         ::testing::Values(Way{Backend::sqlite, true},
                                           Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });

}  // namespace tests::conformance
