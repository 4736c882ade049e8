// UnshownChanges: for whom an answer does.

#include "loadstone/cache/internal/unshown_changes.h"

#include "tests/conformance/views/replicas.h"

namespace tests::conformance::views {

namespace {

using cache::internal::UnshownChanges;
using Unsure = UnshownChanges::Unsure;

const cache::Tags some{5};

// Whether one of `some` has changed.
Task<bool> touch(Context& context, UnshownChanges* changes, Unsure unsure) {
    const auto found = co_await changes->touch(context, unsure, some);
    co_return static_cast<int>(found) != 0;
}
Task<bool> touch_soon(Context& context, UnshownChanges* changes, Unsure unsure,
                      std::chrono::milliseconds patience) {
    Context hasty(context.services(), Deadline::in(patience));
    const bool found = co_await touch(hasty, changes, unsure);
    co_return found;
}
Task<bool> touch_and_count(Context& context, UnshownChanges* changes, Unsure unsure,
                           std::atomic<int>* begun) {
    ++*begun;
    const bool found = co_await touch(context, changes, unsure);
    co_return found;
}
Task<void> do_nothing(Context& context) {
    context.throw_if_done("nothing");
    co_return;
}

class UnshownChangesOfReplicas : public ReplicasOfViews {
protected:
    void begin() {
        start();
        changes_.emplace(other_->store().database(), seconds(60), other_->store().registry());
    }
    // What a session may have seen that is as far as a poll of now.
    Unsure poll() {
        const auto follow = [](Context& context, Node* node) {
            return node->cache().follower().catch_up(context);
        };
        other_->run(follow, &*other_);
        Unsure unsure{{}, other_->cache().follower().now()};
        unsure.seen = unsure.shown.position;
        return unsure;
    }
    bool is_touched(Unsure unsure) { return other_->run(touch, &*changes_, unsure); }
    int questions() { return counted(*other_, "ahead_questions"); }
    void change_some() { on_the_primary("insert into loadstone_changes (tags) values ('5')"); }
    // Until it is released what is asked of the primary waits.
    std::thread lock_changes() {
        std::thread locking([this] {
            try {
                on_the_primary("begin; lock table loadstone_changes; select pg_sleep(60); commit");
            } catch (const std::exception&) {  // released
            }
        });
        EXPECT_TRUE(wait_until([&] { return on_the_primary("select count(*) " + of_it) == "1"; },
                               seconds(20)));
        return locking;
    }
    void release_changes(std::thread& locking) {
        on_the_primary("select pg_cancel_backend(pid) " + of_it);
        locking.join();
    }

    const std::string of_it = "from pg_stat_activity where wait_event = 'PgSleep'";
    std::optional<UnshownChanges> changes_;
};

}  // namespace

TEST_F(UnshownChangesOfReplicas, AreAllWhereAServerIsOfAnotherHistory) {
    begin();
    Unsure unsure = poll();
    Unsure of_another = unsure;
    of_another.shown.history = "00000007";
    EXPECT_FALSE(is_touched(unsure));
    of_another.seen.at += 1;  // by nobody else's answer
    EXPECT_TRUE(is_touched(of_another));
    stop_replicas();
    unsure = poll();
    unsure.seen.at += 1;
    EXPECT_FALSE(is_touched(unsure)) << "of the primary";
    EXPECT_TRUE(is_touched(of_another));
    EXPECT_EQ(questions(), 4);
    EXPECT_EQ(counted(*other_, "ahead_untold"), 0);
}

// An answer says nothing of what an older poll did not show.
TEST_F(UnshownChangesOfReplicas, AreAskedForAgainWhenPollsHaveFoundAChange) {
    begin();
    const Unsure before = poll();
    change_some();
    const Unsure after = poll();
    EXPECT_GT(after.shown.epoch, before.shown.epoch);
    EXPECT_FALSE(is_touched(after));
    EXPECT_FALSE(is_touched({before.seen, after.shown})) << "who has seen less";
    EXPECT_EQ(questions(), 1);
    for (int i : {0, 1}) {
        const auto shows = [&] {
            return servers_.replica(i).psql(servers_.name(),
                                            "select count(*) from loadstone_changes") == "1";
        };
        EXPECT_TRUE(wait_until(shows, seconds(20)));
    }
    EXPECT_TRUE(is_touched(before));
    EXPECT_EQ(questions(), 2);
    EXPECT_FALSE(is_touched(after));
    EXPECT_EQ(questions(), 2) << "the newer poll's is kept";
}

TEST_F(UnshownChangesOfReplicas, AreAskedForAgainWhereThePrimaryHasTold) {
    begin();
    stop_replicas();
    const Unsure unsure = poll();
    EXPECT_FALSE(is_touched(unsure));
    change_some();
    EXPECT_TRUE(is_touched(unsure));
    EXPECT_EQ(questions(), 2);
}

// A position that the primary stood in for may have been made up.
TEST_F(UnshownChangesOfReplicas, AreForOnePositionWhereThePrimaryHasTold) {
    begin();
    stop_replicas();
    const Unsure unsure = poll();
    Unsure less = unsure;
    less.seen.at -= 1;
    auto locking = lock_changes();
    auto first = other_->start(nullptr, touch, &*changes_, unsure);
    EXPECT_TRUE(wait_until([&] { return questions() == 1; }, seconds(20)));
    constexpr int readers = 5;
    std::atomic<int> begun{0};
    std::vector<std::future<bool>> others, same;
    for (int i = 0; i < readers; ++i) {
        others.push_back(other_->start(nullptr, touch_and_count, &*changes_, less, &begun));
        same.push_back(other_->start(nullptr, touch_and_count, &*changes_, unsure, &begun));
    }
    EXPECT_TRUE(wait_until([&] { return begun == 2 * readers; }, seconds(20)));
    for (int i = 0; i < 2 * readers; ++i) other_->run(do_nothing);  // they wait by now
    release_changes(locking);
    EXPECT_FALSE(first.get());
    for (auto& each : others) EXPECT_FALSE(each.get());
    for (auto& each : same) EXPECT_FALSE(each.get());
    EXPECT_EQ(questions(), 1 + readers);
}

TEST_F(UnshownChangesOfReplicas, AreAskedForByAnotherWhenWhoAskedIsLate) {
    begin();
    stop_replicas();
    const Unsure unsure = poll();
    auto locking = lock_changes();
    auto hasty =
        other_->start(nullptr, touch_soon, &*changes_, unsure, std::chrono::milliseconds(500));
    EXPECT_TRUE(wait_until([&] { return questions() == 1; }, seconds(20)));
    auto patient = other_->start(nullptr, touch, &*changes_, unsure);
    EXPECT_EQ(code_of([&] { hasty.get(); }), Errc::deadline_exceeded);
    EXPECT_TRUE(wait_until([&] { return questions() == 2; }, seconds(20)));
    release_changes(locking);
    EXPECT_EQ(code_of([&] { EXPECT_FALSE(patient.get()); }), std::nullopt);
}

}  // namespace tests::conformance::views
