// Views where there are replicas: a session is shown what it has seen, also what polls of the
// primary do not show yet.

#include "tests/conformance/views/replicas.h"

#include <thread>

#include "loadstone/cache/internal/warm_file.h"

namespace tests::conformance::views {

// Sessions go from node to node, and reads to replicas that are behind.
TEST_F(ReplicasOfViews, ShowSessionsWhatTheyWrote) {
    start();
    Node &one = *one_, &other = *other_;
    servers_.delay_replay(0, std::chrono::milliseconds(300));
    const std::array<Node*, 2> nodes{&one, &other};
    Position session;
    for (int i = 1; i <= 30; ++i) {
        one.start(&session, add_point, std::int64_t{1}, std::int64_t{1}).get();
        for (Node* node : nodes)
            ASSERT_EQ(node->start(&session, cached_total, std::int64_t{1}).get(), i);
    }
    // Who has seen nothing, and who has seen all that there is, is answered without a question, ten
    // times a second excepted.
    Position nothing;
    for (Position* seen : {&nothing, &session}) {
        const auto polls = other.counted("polls");
        const auto hits = other.counted("hits");
        const auto began = std::chrono::steady_clock::now();
        for (int i = 0; i < 300; ++i)
            ASSERT_EQ(other.start(seen, cached_total, std::int64_t{1}).get(), 30);
        const auto tenths =
            (std::chrono::steady_clock::now() - began) / std::chrono::milliseconds(100);
        EXPECT_EQ(other.counted("hits") - hits, 300U);
        EXPECT_LE(other.counted("polls") - polls, static_cast<std::uint64_t>(tenths) + 3);
    }

    // A replica shows a commit that the primary has written and does not show yet: so a place is
    // known to be reached when all that ran there has ended.
    std::atomic<bool> has_written{false}, may_end{false};
    auto holding = one.start(nullptr, add_point_and_hold, &has_written, &may_end);
    ASSERT_TRUE(wait_until([&] { return has_written.load(); }, seconds(20)));
    one.start(&session, add_point, std::int64_t{2}, std::int64_t{1}).get();
    const auto follow = [](Context& context, Node* of) -> Task<bool> {
        co_await of->cache().follower().catch_up(context);
        const auto position = context.reading().position();
        co_return of->cache().follower().has_reached(position);
    };
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(other.start(&session, follow, &other).get());
    EXPECT_EQ(other.start(&session, cached_total, std::int64_t{2}).get(), 1);
    may_end = true;
    holding.get();
    const auto has_reached = [&] { return other.start(&session, follow, &other).get(); };
    EXPECT_TRUE(wait_until(has_reached, seconds(20)));
}

// A commit that waits for a standby has been written, and is shown by replicas and not by the
// primary, which a poll asks.
TEST_F(ReplicasOfViews, ShowASessionWhatAReplicaHasShownIt) {
    options_.replicas.wait_max = seconds(20);  // for a replica, however busy the machine is
    start();
    Node &one = *one_, &other = *other_;
    const std::string points = "select sum(points) from scores where course_id = 1";
    one.run(add_point, std::int64_t{1}, std::int64_t{1});
    for (Node* node : {&one, &other}) {
        EXPECT_EQ(total(*node, {}, 1), 1);
        EXPECT_EQ(total(*node, {}, 2), 0);
    }
    wait_for_standbys("nobody");
    auto writing = one.start(nullptr, add_point, std::int64_t{1}, std::int64_t{2});
    ASSERT_TRUE(is_written(points, "2"));
    Position session;
    const auto is_shown = [&] {
        return other.start(&session, uncached_total, std::int64_t{1}).get() == 2;
    };
    ASSERT_TRUE(wait_until(is_shown, seconds(20)));

    // Whoever has seen no more, and asks for whatever view, is told by the same answer.
    constexpr int readers = 20;
    const auto counted = [&](const std::string& name) {
        return static_cast<int>(other.counted(name));
    };
    const int hits = counted("hits"), misses = counted("misses"), waits = counted("waits");
    EXPECT_EQ(totals(other, session, readers, 2), std::vector<std::int64_t>(readers, 0));
    EXPECT_EQ(counted("ahead_questions"), 1);
    EXPECT_EQ(counted("hits"), hits + readers);
    EXPECT_EQ(counted("ahead"), 0);
    // What it touches is computed once for all of them.
    EXPECT_EQ(totals(other, session, readers, 1), std::vector<std::int64_t>(readers, 2));
    EXPECT_EQ(total(other, session, 1), 2);
    EXPECT_EQ(counted("ahead_questions"), 1);
    EXPECT_EQ(counted("ahead"), readers + 1);
    EXPECT_EQ(counted("misses"), misses + 1);
    EXPECT_EQ(counted("hits") + counted("waits"), hits + waits + 2 * readers);
    // Who has seen less is given what polls have left.
    EXPECT_EQ(total(other, {}, 1), 1);
    EXPECT_EQ(counted("misses"), misses + 1);

    for (Node* node : {&other, &one})
        EXPECT_EQ(node->start(&session, cached_total, std::int64_t{1}).get(), 2);
    EXPECT_EQ(on_the_primary(points), "1") << "the primary shows it too: nothing was tested";
    wait_for_standbys("");
    writing.get();
    EXPECT_EQ(other.run(cached_total, std::int64_t{1}), 2);
    EXPECT_EQ(counted("ahead_untold"), 0);
}

TEST_F(ReplicasOfViews, AreComputedWhereTooMuchIsUnshownToBeTold) {
    options_.replicas.wait_max = seconds(20);
    start();
    EXPECT_EQ(total(*other_, {}, 1), 0);
    wait_for_standbys("nobody");
    std::thread writing([&] {
        on_the_primary(
            "insert into loadstone_changes (tags) select '5' from "
            "generate_series(1, 11000)");
    });
    EXPECT_TRUE(is_written("select count(*) from loadstone_changes where tags = '5'", "11000"));
    Position session;
    EXPECT_EQ(other_->start(&session, uncached_total, std::int64_t{1}).get(), 0);
    const auto hits = other_->counted("hits"), misses = other_->counted("misses");
    EXPECT_EQ(code_of([&] { EXPECT_EQ(total(*other_, session, 1), 0); }), std::nullopt);
    EXPECT_EQ(other_->counted("misses"), misses + 1);
    EXPECT_EQ(other_->counted("hits"), hits);
    wait_for_standbys("");
    writing.join();

    // What is kept for the next start is what polls have left.
    const tests::TempDir directory;
    const std::string path = (directory.path() / "warm").string();
    const auto save = [](Context& context, Node* node, std::string to) {
        return node->cache().save(context, to);
    };
    other_->run(save, &*other_, path);
    const auto kept = cache::internal::take_warm_file(path, 1 << 20);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->answers.size(), 1U);
}

// A place is not known to be reached while a transaction from before it runs; and nobody is there.
TEST_F(ReplicasOfViews, AreGivenAndCountedWhereNobodyCanTell) {
    options_.replicas.fallback_max = 0;
    options_.replicas.wait_max = seconds(20);  // but not for who is known to be paused
    start();
    // By replicas alone.
    const auto is_there = [&] {
        return code_of([&] { EXPECT_EQ(total(*other_, {}, 1), 0); }) == std::nullopt;
    };
    ASSERT_TRUE(wait_until(is_there, seconds(20)));
    std::atomic<bool> has_written{false}, may_end{false};
    auto holding = one_->start(nullptr, add_point_and_hold, &has_written, &may_end);
    EXPECT_TRUE(wait_until([&] { return has_written.load(); }, seconds(20)));
    for (int i : {0, 1}) servers_.pause_replay(i);
    Position session;
    one_->start(&session, add_point, std::int64_t{2}, std::int64_t{1}).get();
    EXPECT_EQ(total(*other_, session, 1), 0);
    EXPECT_EQ(other_->counted("ahead_untold"), 1U) << "the furthest replica cannot know";
    for (int i : {0, 1}) servers_.replica(i).stop(PostgresServer::Stop::immediate);
    EXPECT_EQ(total(*other_, session, 1), 0);
    EXPECT_EQ(other_->counted("ahead_untold"), 2U);
    EXPECT_EQ(other_->counted("ahead"), 0U);
    may_end = true;
    holding.get();
}

// Positions that may have been made up are asked for beside all others.
TEST_F(ReplicasOfViews, AreNotHeldUpByAPositionThatNobodyReaches) {
    options_.replicas.wait_max = seconds(20);
    start();
    EXPECT_EQ(total(*other_, {}, 1), 0);
    std::atomic<bool> has_written{false}, may_end{false};
    auto holding = one_->start(nullptr, add_point_and_hold, &has_written, &may_end);
    EXPECT_TRUE(wait_until([&] { return has_written.load(); }, seconds(20)));
    Position session;
    one_->start(&session, add_point, std::int64_t{2}, std::int64_t{1}).get();
    EXPECT_EQ(total(*other_, session, 1), 0);
    EXPECT_EQ(counted(*other_, "ahead_questions"), 1);
    // While a server does not answer it may be the one of that history.
    servers_.replica(1).freeze();
    wait_for_usable(1);
    Position made_up{session.history + 6, 1};
    auto waiting = other_->start(&made_up, cached_total, std::int64_t{1});
    const auto asked = [&] { return counted(*other_, "ahead_questions"); };
    EXPECT_TRUE(wait_until([&] { return asked() == 2; }, seconds(20)));
    EXPECT_EQ(total(*other_, session, 1), 0);
    EXPECT_EQ(asked(), 2) << "the last answer does";
    one_->start(&session, add_point, std::int64_t{2}, std::int64_t{2}).get();
    EXPECT_EQ(total(*other_, session, 1), 0);
    EXPECT_EQ(asked(), 3);
    EXPECT_EQ(waiting.wait_for(seconds(0)), std::future_status::timeout);
    servers_.replica(1).thaw();
    code_of([&] { waiting.get(); });
    may_end = true;
    holding.get();
}

// Replicas stop where they show it: none shows what the last poll does, and nor does the primary
// show what they do.
TEST_F(ReplicasOfViews, ShowWhatReplicasShowThatAreBehindThePoll) {
    options_.replicas.wait_max = seconds(20);
    start();
    Node &one = *one_, &other = *other_;
    constexpr int readers = 20;
    one.run(add_point, std::int64_t{1}, std::int64_t{1});
    EXPECT_EQ(total(other, {}, 1), 1);
    wait_for_standbys("nobody");
    auto writing = one.start(nullptr, add_point, std::int64_t{1}, std::int64_t{2});
    const Position session = shown_by_replicas_alone(other, 2);
    for (int i : {0, 1}) servers_.pause_replay(i);
    on_the_primary("select pg_logical_emit_message(false, 'a', repeat('x', 100))");
    on_the_primary("checkpoint");
    const auto is_behind = [&] {
        follow(other);
        return other.cache().follower().now().position.at > session.at + 100;
    };
    EXPECT_TRUE(wait_until(is_behind, seconds(20)));

    EXPECT_EQ(sum_of(other, session, {1}), 2) << "which nobody has computed yet";
    for (int i = 0; i < 3; ++i) EXPECT_EQ(total(other, session, 1), 2);
    EXPECT_EQ(totals(other, session, readers, 1), std::vector<std::int64_t>(readers, 2));
    EXPECT_EQ(total(other, {}, 1), 1);
    for (int i : {0, 1}) servers_.resume_replay(i);
    wait_for_standbys("");
    writing.get();
}

// The same where the polls have found a change since, which no replica shows: what has yet to be
// computed is read on the primary.
TEST_F(ReplicasOfViews, ShowWhatReplicasHaveShownThoughThePrimaryIsReadAfterwards) {
    options_.replicas.wait_max = seconds(5);  // for a replica, and in vain for one of the poll
    start();
    Node &one = *one_, &other = *other_;
    one.run(add_point, std::int64_t{1}, std::int64_t{1});
    one.run(add_point, std::int64_t{2}, std::int64_t{1});
    wait_for_standbys("nobody");
    auto writing = one.start(nullptr, add_point, std::int64_t{1}, std::int64_t{2});
    const Position session = shown_by_replicas_alone(other, 2);
    for (int i : {0, 1}) servers_.pause_replay(i);
    // Of course 2, by somebody who waits for no standby.
    const std::uint64_t before = other.cache().follower().epoch();
    on_the_primary(
        "set synchronous_commit = local; insert into loadstone_changes (tags) select tags from "
        "loadstone_changes order by xid desc limit 1");
    const auto is_found = [&] {
        follow(other);
        const auto now = other.cache().follower().now();
        return now.epoch > before && now.begun_at > session;
    };
    EXPECT_TRUE(wait_until(is_found, seconds(20)));
    EXPECT_EQ(sum_of(other, session, {1}), 2);
    EXPECT_EQ(sum_of(other, session, {2}), 1);
    for (int i : {0, 1}) servers_.resume_replay(i);
    wait_for_standbys("");
    writing.get();
}

Task<std::int64_t> total_of_an_hour_ago(Context& context, std::int64_t course) {
    context.reading().stale_max = std::chrono::hours(1);
    const std::int64_t total = co_await cached_total(context, course);
    co_return total;
}

// While the primary is away replicas show what there is, once for all who ask; what is older than
// one of them has seen is for that one alone.
TEST_F(ReplicasOfViews, AreShownWhileThePrimaryIsAway) {
    computations = held = 0;
    release_held.reset();
    options_.outage_patience = std::chrono::milliseconds(200);
    options_.replicas.lag_max = seconds(120);  // they will not come any further
    start();
    Node &one = *one_, &other = *other_;
    Position session;
    one.start(&session, add_point, std::int64_t{1}, std::int64_t{1}).get();
    on_the_primary("checkpoint");  // what has been seen is somewhere before that
    wait_for_replay();
    for (int i : {0, 1}) servers_.pause_replay(i);
    Position beyond = session;
    one.start(&beyond, add_point, std::int64_t{1}, std::int64_t{1}).get();
    servers_.primary().stop(PostgresServer::Stop::fast);
    const auto is_away = [&] {  // for longer than a read waits for it, on each loop
        return metric_sum(other.store().registry(), "loadstone_postgres_connect_failures_total",
                          "\"read\"") >= 16;
    };
    EXPECT_TRUE(wait_until(is_away, seconds(20)));
    EXPECT_EQ(total(other, session, 3), 0);
    EXPECT_EQ(counted(other, "untold"), 1);

    const int misses = counted(other, "misses"), waits = counted(other, "waits");
    is_held = true;
    auto behind = other.start(&beyond, total_of_an_hour_ago, std::int64_t{1});
    EXPECT_TRUE(wait_until([&] { return held == 1; }, seconds(20)));
    Position nothing;
    auto exact = other.start(&nothing, cached_total, std::int64_t{1});
    EXPECT_TRUE(wait_until([&] { return counted(other, "waits") == waits + 1; }, seconds(20)));
    is_held = false;
    release_held.set();
    EXPECT_EQ(behind.get(), 1) << "of two: that is said";
    EXPECT_EQ(exact.get(), 1);
    EXPECT_EQ(counted(other, "misses"), misses + 2) << "each by reads of its own";
}

// What the primary tells of is computed once for all.
TEST_F(ReplicasOfViews, AreComputedOnceWhereThePrimaryTells) {
    computations = held = 0;
    release_held.reset();
    start();
    Node &one = *one_, &other = *other_;
    stop_replicas();
    std::atomic<bool> has_written{false}, may_end{false};
    auto holding = one.start(nullptr, add_point_and_hold, &has_written, &may_end);
    EXPECT_TRUE(wait_until([&] { return has_written.load(); }, seconds(20)));
    Position session;
    one.start(&session, add_point, std::int64_t{2}, std::int64_t{1}).get();
    constexpr int readers = 20;
    is_held = true;
    std::vector<std::int64_t> found;
    std::jthread reading([&] { found = totals(other, session, readers, 1); });
    EXPECT_TRUE(wait_until([&] { return held == 1 && counted(other, "waits") == readers - 1; },
                           seconds(20)));
    one.run(add_point, std::int64_t{1}, std::int64_t{1});
    is_held = false;
    release_held.set();
    reading.join();
    std::vector<std::int64_t> expected(readers, 1);
    expected.front() = 0;  // of who had read before it was written
    std::ranges::sort(found);
    EXPECT_EQ(found, expected);
    EXPECT_EQ(counted(other, "misses"), 2);
    EXPECT_EQ(counted(other, "alone"), 0);
    may_end = true;
    holding.get();
}

// An answer that was read on the primary is not for others who have seen more than polls show.
TEST_F(ReplicasOfViews, AreNotSharedWhereThePrimaryWasRead) {
    computations = held = 0;
    release_held.reset();
    start();
    Node &one = *one_, &other = *other_;
    const std::vector<std::int64_t> courses{1};
    one.run(add_point, std::int64_t{1}, std::int64_t{1});
    EXPECT_EQ(total(other, {}, 1), 1);
    EXPECT_EQ(other.run(cached_sum, courses), 1);
    wait_for_standbys("nobody");
    auto writing = one.start(nullptr, add_point, std::int64_t{1}, std::int64_t{2});
    EXPECT_TRUE(is_written("select sum(points) from scores where course_id = 1", "2"));
    Position session;
    const auto is_shown = [&] {
        return other.start(&session, uncached_total, std::int64_t{1}).get() == 2;
    };
    EXPECT_TRUE(wait_until(is_shown, seconds(20)));
    const auto is_told = [&] {
        Position at = session;
        return other.start(&at, cached_sum, courses).get() == 2;
    };
    EXPECT_TRUE(wait_until(is_told, seconds(20)));
    stop_replicas();
    constexpr int readers = 5;
    const int misses = counted(other, "misses"), waits = counted(other, "waits");
    is_held = true;
    std::vector<std::int64_t> found;
    std::jthread reading([&] { found = totals(other, session, readers, 1); });
    EXPECT_TRUE(wait_until(
        [&] { return held == 1 && counted(other, "waits") == waits + readers - 1; }, seconds(20)));
    is_held = false;
    release_held.set();
    reading.join();
    EXPECT_EQ(found, std::vector<std::int64_t>(readers, 1)) << "as in plain reads";
    EXPECT_EQ(counted(other, "misses"), misses + readers);
    EXPECT_EQ(counted(other, "waits"), waits + readers - 1);
    EXPECT_EQ(counted(other, "alone"), readers - 1);
    EXPECT_EQ(total(other, session, 1), 1);
    EXPECT_EQ(counted(other, "misses"), misses + readers + 1) << "nothing of it was kept";
    wait_for_standbys("");
    writing.get();
}

}  // namespace tests::conformance::views
