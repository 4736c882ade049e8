// A rollup is at any time what the same grouping of the facts gives: while facts come, when ranges
// of them are made anew, whatever ends in between, and when it is declared later or otherwise.

#include <algorithm>
#include <random>
#include <thread>

#include "loadstone/analytics/ad_hoc.h"
#include "loadstone/analytics/work.h"
#include "tests/conformance/analytics_stage.h"

namespace tests::conformance {

namespace {

struct Stay {
    std::int64_t place = 0;
    std::optional<std::string> guest;
    std::string kind;  // night, meal, complaint
    Timestamp happened_at;
    std::optional<std::int64_t> points;
    double price = 0;
};
BOOST_DESCRIBE_STRUCT(Stay, (), (place, guest, kind, happened_at, points, price))

constexpr std::int64_t places = 40;

// What the tables of its module tell: all that was recorded.
std::vector<Stay>& told() {
    static std::vector<Stay> stays;
    return stays;
}

Task<std::uint64_t> stays_of_places(Reader, std::int64_t from, std::int64_t end,
                                    loadstone::FunctionRef<void(const Stay&)> sink) {
    std::uint64_t found = 0;
    for (const Stay& stay : told()) {
        if (stay.place < from || stay.place >= end) continue;
        sink(stay);
        ++found;
    }
    co_return found;
}
Task<std::int64_t> last_place(Reader) { co_return places; }

Stay random_stay(std::mt19937& dice) {
    static constexpr const char* kinds[] = {"night", "meal", "complaint"};
    Stay stay;
    stay.place = 1 + dice() % places;
    if (dice() % 8 != 0) stay.guest = "guest " + std::to_string(dice() % 9);
    stay.kind = kinds[dice() % 3];
    stay.happened_at = {static_cast<std::int64_t>(dice() % 1'000'000) * 1'000'003};
    if (dice() % 3 != 0) stay.points = static_cast<std::int64_t>(dice() % 100) - 20;
    stay.price = static_cast<double>(dice() % 1'000) / 4;
    return stay;
}

analytics::Rollup by_guest() {
    return analytics::Rollup({"place", "guest"})
        .count("stays")
        .count("nights", {"kind", "night"})
        .sum("gained", "points")
        .sum("gained_by_meals", "points", {"kind", "meal"})
        .min("first", "happened_at")
        .max("last_complaint", "happened_at", {"kind", "complaint"})
        .max("last_other", "happened_at", analytics::facts_without("kind", "complaint"))
        .min("least", "points")
        .max("dearest", "price");
}

void declare_without(analytics::Facts& facts) {
    facts.table<Stay>("stays").back_filled_by<Stay>("place", stays_of_places, last_place);
}
void declare_guests(analytics::Facts& facts) {
    facts.table<Stay>("stays")
        .back_filled_by<Stay>("place", stays_of_places, last_place)
        .rolled_up("guests", by_guest());
}
void declare_otherwise(analytics::Facts& facts) {
    facts.table<Stay>("stays")
        .back_filled_by<Stay>("place", stays_of_places, last_place)
        .rolled_up("guests", analytics::Rollup({"place"}).count("stays"))
        .rolled_up("kinds", analytics::Rollup({"kind", "place"}).max("latest", "happened_at"));
}

Task<void> record_stays(Tx& tx, std::vector<Stay> stays) {
    for (const Stay& stay : stays) co_await analytics::record(tx, stay);
}
Task<void> write_stays(Context& context, std::vector<Stay> stays) {
    co_await context.write(record_stays, stays);
}
Task<void> ask_work(Context& context, bool is_rebuild) {
    const std::string fact = "stays";
    const auto ask = is_rebuild ? analytics::ask_rebuild : analytics::ask_verify;
    co_await context.write(ask, fact);
}
Task<analytics::Work> work_done(Context& context) {
    const auto all = co_await analytics::all_work(context.reader());
    co_return all.at(0);
}

const char* const guests_of_facts[] = {
    "select place, guest, count(*) as c1, count(*) filter (where kind = 'night') as c2, "
    "sum(points) as c3, sum(points) filter (where kind = 'meal') as c4, min(happened_at) as c5, "
    "max(happened_at) filter (where kind = 'complaint') as c6, "
    "max(happened_at) filter (where kind <> 'complaint') as c7, min(points) as c8, "
    "max(price) as c9 from stays group by place, guest",
    "select place, guest, toInt64(count()) as c1, toInt64(countIf(kind = 'night')) as c2, "
    "sum(points) as c3, sumIf(points, kind = 'meal') as c4, min(happened_at) as c5, "
    "maxIf(happened_at, kind = 'complaint') as c6, maxIf(happened_at, kind <> 'complaint') as c7, "
    "min(points) as c8, max(price) as c9 from stays group by place, guest"};
const char* const guests_kept = "select * from guests";
// The same, by a statement that does not name it: DuckDB merges nothing before it.
const char* const guests_unmerged = "select * from query_table('gue' || 'sts')";

class AnalyticsRollup : public Analytics {
protected:
    AnalyticsRollup() {
        facts_options_.rollup_recent_rows = 60;
        told().clear();
    }
    void record(int count) {
        std::vector<Stay> stays;
        for (int i = 0; i < count; ++i) stays.push_back(random_stay(dice_));
        store().run(write_stays, stays);
        told().insert(told().end(), stays.begin(), stays.end());
    }
    std::vector<std::vector<std::optional<std::string>>> rows(const std::string& text) const {
        auto found = analytics::ask_ad_hoc(facts_options_, text).rows;
        std::ranges::sort(found);
        return found;
    }
    void expect_guests() const {
        const auto kept = is_to_clickhouse() ? rows(guests_kept) : rows(guests_unmerged);
        EXPECT_EQ(kept, rows(guests_kept));
        EXPECT_EQ(kept, rows(guests_of_facts[is_to_clickhouse() ? 1 : 0]));
        EXPECT_EQ(kept.empty(), told().empty());
        expect_facts();
    }
    void expect_facts() const {
        EXPECT_EQ(rows("select count(*) as n from stays")[0][0], std::to_string(told().size()));
    }
    void expect_places() const {
        EXPECT_EQ(rows(guests_kept), rows("select place, count(*) as n from stays group by place"));
    }
    analytics::Work work(bool is_rebuild) {
        store().run(ask_work, is_rebuild);
        carry_all();
        EXPECT_TRUE(wait_until([&] {
            while (step()) {
            }
            const auto state = store().run(work_done).state;
            return state == "done" || state == "failed";
        }));
        return store().run(work_done);
    }
    void begin_again(void (*declare)(analytics::Facts&)) {
        stop();
        start_with(declare);
        EXPECT_TRUE(
            wait_until([&] { return !code_of([&] { step(); }) && feed_->report().is_carrying; }));
    }

    std::mt19937 dice_{27};
};

}  // namespace

TEST_P(AnalyticsRollup, IsWhatTheFactsSayBatchByBatch) {
    start_with(declare_guests);
    carry_all();
    expect_guests();
    for (int i = 0; i < 12; ++i) {
        record(1 + static_cast<int>(dice_() % 300));
        carry_all();
        expect_guests();
    }
    EXPECT_GT(rows(guests_kept).size(), 300U) << "some with a null key";
}

TEST_P(AnalyticsRollup, IsWhatTheFactsSayWhenTheStoreIsKilled) {
    start_with(declare_guests);
    for (int kill = 0; kill < 5; ++kill) {
        record(350);
        ASSERT_TRUE(wait_until([&] { return !code_of([&] { step(); }); })) << "it lives";
        std::thread killer([this] { kill_store(); });
        carry_all();
        killer.join();
    }
    carry_all();
    ASSERT_TRUE(wait_until([&] { return !code_of([&] { step(); }); }));
    expect_guests();
}

TEST_P(AnalyticsRollup, FollowsFactsThatAreMadeAnew) {
    start_with(declare_guests);
    record(700);
    carry_all();
    // As if the store had missed some and had others too many.
    told().erase(told().begin(), told().begin() + 200);
    for (std::size_t i = 0; i < 100; ++i) told()[i].points = 1'000;
    for (int i = 0; i < 300; ++i) told().push_back(random_stay(dice_));
    EXPECT_EQ(work(true).state, "done");
    expect_guests();
    record(90);
    EXPECT_EQ(work(true).state, "done");
    record(30);
    const analytics::Work verified = work(false);
    EXPECT_EQ(verified.state, "done") << verified.reason;
    expect_guests();
}

TEST_P(AnalyticsRollup, IsMadeOfTheFactsThatAreThereWhenItIsDeclared) {
    start_with(declare_without);
    record(250);
    carry_all();
    EXPECT_EQ(code_of([&] { rows(guests_kept); }), Errc::invalid_argument);
    begin_again(declare_guests);
    expect_guests();
    record(120);
    carry_all();
    expect_guests();

    begin_again(declare_otherwise);
    expect_places();
    record(120);
    carry_all();
    expect_places();
    EXPECT_EQ(rows("select * from kinds"),
              rows("select kind, place, max(happened_at) as t from stays group by kind, place"));
    EXPECT_EQ(work(false).state, "done");

    begin_again(declare_guests);
    expect_guests();
    EXPECT_EQ(code_of([&] { rows("select * from kinds"); }), Errc::invalid_argument);
    begin_again(declare_without);
    EXPECT_EQ(code_of([&] { rows(guests_kept); }), Errc::invalid_argument);
    record(10);
    carry_all();
    expect_facts();
}

INSTANTIATE_TEST_SUITE_P(On, AnalyticsRollup,
                         ::testing::Values(Way{Backend::sqlite}, Way{Backend::postgres},
                                           Way{Backend::postgres, true}),
                         [](const auto& way) { return to_string(way.param); });

}  // namespace tests::conformance
