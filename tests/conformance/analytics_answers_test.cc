// Questions that many ask: asked once, kept until the store has changed, and never older than what
// asking would give.

#include <fmt/core.h>

#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <thread>

#include "loadstone/analytics/internal/answers.h"
#include "tests/conformance/analytics_stage.h"
#include "tests/conformance/replica_sessions.h"

namespace tests::conformance {

namespace {

using std::chrono::seconds;
using Answer = analytics::Answer<Sums>;

constexpr analytics::Query sums_from{
    "sums_from",
    "select count(*) as facts, count(distinct number) as \"distinct\", coalesce(sum(number), 0) as "
    "sum from visits where number >= $1 and page <> $2"};

Task<Answer> ask(Context& context, std::int64_t from, std::string but) {
    co_return co_await analytics::query<Sums>(context, sums_from, from, but);
}
Task<Answer> ask_within(Context& context, std::chrono::milliseconds age) {
    context.reading().freshness = loadstone::within(age);
    co_return co_await ask(context, 0, "");
}
Task<Answer> ask_as(Context& context, std::atomic<Context*>* asker) {
    *asker = &context;
    return ask(context, 0, "");
}
// A question of the test's own, on a thread of the lane.
Task<std::string> ask_own(Context& context, analytics::Analytics* of,
                          std::function<std::string()> answer) {
    auto ask = [&](std::int64_t) {
        analytics::internal::StoredAnswer stored;
        stored.rows = answer();
        return stored;
    };
    const analytics::internal::SharedQuestion own{"own", "own"};
    const auto given = co_await of->answers().get(context, of->queries(), own, ask);
    co_return given.answer->rows;
}
Task<std::int64_t> streamed(Context& context) {
    std::int64_t facts = 0;
    auto keep = [&](const Sums& row) { facts = row.facts; };
    co_await analytics::query_each<Sums>(context, sums, keep);
    co_return facts;
}
// About 10 kB a row.
struct LongText {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(LongText, (), (text))
constexpr std::size_t long_text_bytes = 10'000;
Task<analytics::Answer<LongText>> ask_much(Context& context) {
    constexpr analytics::Query much{"much", "select concat(page, $1) as text from visits"};
    const std::string text(long_text_bytes, 'x');
    co_return co_await analytics::query<LongText>(context, much, text);
}
Task<Answer> ask_wrong(Context& context) {
    constexpr analytics::Query wrong{"wrong", "select nothing as facts from visits"};
    co_return co_await analytics::query<Sums>(context, wrong);
}

class AnalyticsAnswers : public Analytics {
protected:
    // 10 facts, carried.
    void begin() {
        start<Visit>();
        record(0, 10);
    }
    void record(std::int64_t from, std::int64_t to) {
        store().run(write_visits, from, to);
        carry_all();
    }
    Answer asked(std::int64_t from = 0, std::string but = "") {
        return store().run(ask, from, std::move(but));
    }
    std::future<Answer> asking(std::chrono::milliseconds deadline = seconds(20)) {
        return store().start(Deadline::in(deadline), ask, std::int64_t{0}, std::string());
    }
    std::uint64_t count(std::string_view what) {
        return store()
            .registry()
            .counter(fmt::format("loadstone_analytics_answer_{}_total", what), "", "")
            .value();
    }
    double gauge(const std::string& name) { return metric_sum(store().registry(), name); }

    // Until it is released, nobody's question comes to the store.
    class HeldLane {
    public:
        explicit HeldLane(analytics::Analytics& of) {
            const int threads = of.options().queries_max;
            for (int i = 0; i < threads; ++i) {
                auto hold = [latches = latches_] {
                    latches->held.count_down();
                    latches->may_go.wait();
                };
                EXPECT_TRUE(of.queries().post(hold));
            }
            latches_->held.wait();
        }
        void release() { latches_->may_go.count_down(); }

    private:
        struct Latches {
            std::latch held{2}, may_go{1};
        };
        // The lane's too: it may leave them after this.
        std::shared_ptr<Latches> latches_ = std::make_shared<Latches>();
    };
};

}  // namespace

TEST_P(AnalyticsAnswers, AreSharedByAllWhoAskAtOnce) {
    begin();
    const std::uint64_t before = count("misses");
    HeldLane lane(*analytics_);
    std::vector<std::future<Answer>> all;
    for (int i = 0; i < 200; ++i) all.push_back(asking());
    EXPECT_TRUE(wait_until([&] { return count("waits") == 199; }));
    lane.release();
    for (auto& each : all) {
        const Answer answer = each.get();
        EXPECT_EQ(answer.rows.at(0).facts, 10);
        EXPECT_EQ(answer.rows.at(0).sum, 45);
    }
    EXPECT_EQ(count("misses"), before + 1);
}

// More askers than a lane has room for, with a CPU lane that has next to none, and without one.
TEST_P(AnalyticsAnswers, ThatAreLargeAreGivenToAllWhoAsk) {
    facts_options_.query_queue_max = 4;
    begin();
    std::optional<loadstone::runtime::Lane> lane;
    std::optional<loadstone::runtime::CpuLane> cpu;
    const auto asking_much = [&] { return store().start(Deadline::in(seconds(20)), ask_much); };
    const auto expect_whole = [](const analytics::Answer<LongText>& answer) {
        ASSERT_EQ(answer.rows.size(), 10U);
        for (const LongText& row : answer.rows) EXPECT_GT(row.text.size(), long_text_bytes);
    };
    for (const bool has_cpu_lane : {false, true}) {
        if (has_cpu_lane) {
            lane.emplace(loadstone::runtime::LaneOptions{.name = "cpu", .queue_max = 1},
                         store().registry());
            cpu.emplace(loadstone::runtime::CpuLane{*lane});
            const_cast<loadstone::runtime::Services&>(store().services())
                .add<loadstone::runtime::CpuLane>(*cpu);
        }
        std::vector<std::future<analytics::Answer<LongText>>> all;
        for (int i = 0; i < 100; ++i) all.push_back(asking_much());
        for (auto& each : all) expect_whole(each.get());
    }
    EXPECT_EQ(count("misses"), 1U);
    if (is_to_clickhouse()) return;  // which is asked for its version, on the lane
    HeldLane held(*analytics_);
    expect_whole(asking_much().get());
    held.release();
}

TEST_P(AnalyticsAnswers, AreKeptUntilTheStoreHasChanged) {
    begin();
    const std::uint64_t before = count("misses");
    const Answer first = asked();
    for (int i = 0; i < 5; ++i) {
        const Answer again = asked();
        EXPECT_EQ(again.rows.at(0).facts, 10);
        EXPECT_GE(again.as_of, first.as_of);
    }
    EXPECT_EQ(count("misses"), before + 1);
    EXPECT_EQ(count("hits"), 5U);

    record(10, 11);
    const Answer later = asked();
    EXPECT_EQ(later.rows.at(0).facts, 11) << "what has been carried is shown at once";
    EXPECT_GT(later.as_of, first.as_of);
    EXPECT_EQ(count("misses"), before + 2);
    EXPECT_EQ(asked().rows.at(0).facts, 11);
    EXPECT_EQ(count("misses"), before + 2);
}

TEST_P(AnalyticsAnswers, AreOfTheirValues) {
    begin();
    EXPECT_EQ(asked(0).rows.at(0).facts, 10);
    EXPECT_EQ(asked(4).rows.at(0).facts, 6);
    EXPECT_EQ(asked(4, "/home").rows.at(0).facts, 3);
    EXPECT_EQ(asked(0).rows.at(0).facts, 10);
    EXPECT_EQ(asked(4).rows.at(0).facts, 6);
    EXPECT_EQ(asked(4, "/home").rows.at(0).facts, 3);
    EXPECT_EQ(count("misses"), 3U);
    EXPECT_EQ(count("hits"), 3U);
}

// Nothing new is news, too.
TEST_P(AnalyticsAnswers, ThatAreKeptAreAsOfWhatTheStoreIs) {
    begin();
    const Timestamp first = asked().as_of;
    const auto later = [&] {
        step();
        return asked().as_of > first;
    };
    EXPECT_TRUE(wait_until(later));
    EXPECT_EQ(count("misses"), 1U);
    // And so who wants no older one is given it.
    step();
    EXPECT_EQ(store().run(ask_within, std::chrono::milliseconds(10'000)).rows.at(0).facts, 10);
    EXPECT_EQ(count("misses"), 1U);
    EXPECT_EQ(code_of([&] { store().run(ask_within, std::chrono::milliseconds(0)); }),
              Errc::unavailable);
}

TEST_P(AnalyticsAnswers, DoNotFailWithWhoAskedAndWasLate) {
    begin();
    HeldLane lane(*analytics_);
    auto late = asking(std::chrono::milliseconds(500));
    EXPECT_TRUE(wait_until([&] { return gauge("loadstone_lane_queued") == 1; }));
    auto patient = asking();
    EXPECT_TRUE(wait_until([&] { return count("waits") == 1; }));
    EXPECT_EQ(code_of([&] { late.get(); }), Errc::deadline_exceeded);
    lane.release();
    EXPECT_EQ(patient.get().rows.at(0).facts, 10);
}

TEST_P(AnalyticsAnswers, DoNotFailWithWhoAskedAndWasCancelled) {
    begin();
    HeldLane lane(*analytics_);
    std::atomic<Context*> asker{nullptr};
    auto cancelled = store().start(Deadline::in(seconds(20)), ask_as, &asker);
    EXPECT_TRUE(wait_until([&] { return gauge("loadstone_lane_queued") == 1; }));
    auto patient = asking();
    EXPECT_TRUE(wait_until([&] { return count("waits") == 1; }));
    asker.load()->cancel();
    lane.release();
    EXPECT_EQ(code_of([&] { cancelled.get(); }), Errc::cancelled);
    EXPECT_EQ(patient.get().rows.at(0).facts, 10);
}

// The store gave up early, by an estimate.
TEST_P(AnalyticsAnswers, DoNotFailWithWhoAskedWithTooLittleTime) {
    for (const bool is_askers_bound : {true, false}) {
        stop();
        facts_options_.query_timeout = is_askers_bound ? seconds(60) : seconds(5);
        begin();
        HeldLane lane(*analytics_);
        auto give_up = []() -> std::string { throw Error(Errc::deadline_exceeded, "too slow"); };
        auto answer = [] { return std::string("answer"); };
        auto hasty = store().start(Deadline::in(seconds(20)), ask_own, analytics_.get(),
                                   std::function<std::string()>(give_up));
        EXPECT_TRUE(wait_until([&] { return gauge("loadstone_lane_queued") == 1; }));
        auto patient = store().start(Deadline::in(seconds(30)), ask_own, analytics_.get(),
                                     std::function<std::string()>(answer));
        EXPECT_TRUE(wait_until([&] { return count("waits") == 1; }));
        lane.release();
        EXPECT_EQ(code_of([&] { hasty.get(); }), Errc::deadline_exceeded);
        if (is_askers_bound) {
            EXPECT_EQ(patient.get(), "answer");
        } else {
            EXPECT_EQ(code_of([&] { patient.get(); }), Errc::deadline_exceeded);
        }
    }
}

TEST_P(AnalyticsAnswers, AreWaitedForToOnesOwnDeadline) {
    begin();
    HeldLane lane(*analytics_);
    auto patient = asking();
    EXPECT_TRUE(wait_until([&] { return gauge("loadstone_lane_queued") == 1; }));
    EXPECT_EQ(code_of([&] { asking(std::chrono::milliseconds(50)).get(); }),
              Errc::deadline_exceeded);
    lane.release();
    EXPECT_EQ(patient.get().rows.at(0).facts, 10);
}

TEST_P(AnalyticsAnswers, HaveABoundOnBytes) {
    facts_options_.answers_bytes_max = 8'192;
    begin();
    record(10, 100);
    for (std::int64_t i = 0; i < 50; ++i) asked(i);
    EXPECT_EQ(count("misses"), 50U);
    EXPECT_GT(count("evictions"), 0U);
    EXPECT_GT(gauge("loadstone_analytics_answers"), 4);
    EXPECT_LE(gauge("loadstone_analytics_answer_bytes"), 8'192);
    EXPECT_EQ(asked(49).rows.at(0).facts, 51) << "the last is kept";
    EXPECT_EQ(count("misses"), 50U);
    EXPECT_EQ(asked(0).rows.at(0).facts, 100) << "the first made room";
    EXPECT_EQ(count("misses"), 51U);
    asked(0, std::string(1'024, 'x'));
    EXPECT_EQ(count("too_large"), 1U);
}

TEST_P(AnalyticsAnswers, AreNotKeptWithoutRoom) {
    facts_options_.answers_bytes_max = 0;
    begin();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(asked().rows.at(0).facts, 10);
    EXPECT_EQ(count("misses"), 3U);
    EXPECT_EQ(gauge("loadstone_analytics_answers"), 0);
}

TEST_P(AnalyticsAnswers, AreNotStreamsNorErrors) {
    begin();
    const std::uint64_t before = count("misses");
    for (int i = 0; i < 2; ++i) EXPECT_EQ(store().run(streamed), 10);
    EXPECT_EQ(count("misses"), before);
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(code_of([&] { store().run(ask_wrong); }), Errc::invalid_argument);
    EXPECT_EQ(count("misses"), before + 2);
    EXPECT_EQ(gauge("loadstone_analytics_answers"), 0);
}

// Who comes while a question is asked, after something has changed, waits for the next one.
TEST_P(AnalyticsAnswers, AreNotOfAQuestionThatBeganBeforeAChange) {
    begin();
    std::latch has_begun(1), may_end(1);
    auto before = [&] {
        has_begun.count_down();
        may_end.wait();
        return std::string("before");
    };
    auto after = [] { return std::string("after"); };
    const auto asking_own = [&](std::function<std::string()> answer) {
        return store().start(Deadline::in(seconds(20)), ask_own, analytics_.get(),
                             std::move(answer));
    };
    auto first = asking_own(before);
    has_begun.wait();
    record(10, 11);
    auto second = asking_own(after), third = asking_own(after);
    EXPECT_TRUE(wait_until([&] { return count("waits") > 0; }));
    may_end.count_down();
    EXPECT_EQ(first.get(), "before");
    EXPECT_EQ(second.get(), "after");
    EXPECT_EQ(third.get(), "after");
    EXPECT_EQ(count("misses"), 2U);
    EXPECT_EQ(asking_own(before).get(), "after") << "it is kept";
}

// While facts come, whoever asks after a step sees what it has carried.
TEST_P(AnalyticsAnswers, AreNeverOlderThanWhatHasBeenCarried) {
    begin();
    std::atomic<std::int64_t> carried{10};
    std::atomic<bool> is_over{false};
    auto read = [&] {
        while (!is_over) {
            const std::int64_t least = carried;
            const std::int64_t found = asked().rows.at(0).facts;
            ASSERT_GE(found, least);
        }
    };
    std::vector<std::thread> readers;
    for (int i = 0; i < 4; ++i) readers.emplace_back(read);
    for (std::int64_t i = 10; i < 40; ++i) {
        store().run(write_visits, i, i + 1);
        while (store().run(facts_kept) > 0) step();
        carried = i + 1;
    }
    is_over = true;
    for (std::thread& each : readers) each.join();
    EXPECT_EQ(asked().rows.at(0).facts, 40);
    EXPECT_GT(count("hits") + count("waits"), 0U);
}

INSTANTIATE_TEST_SUITE_P(Stores, AnalyticsAnswers,
                         ::testing::Values(Way{Backend::sqlite, false}, Way{Backend::sqlite, true}),
                         [](const auto& each) { return to_string(each.param); });

}  // namespace tests::conformance
