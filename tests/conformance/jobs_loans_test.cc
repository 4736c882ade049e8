// Places and starts of limits that are lent to processes, on every database: who is lent some, that
// the limit holds all the same, and that what is lent comes back however its process ends.

#include "loadstone/jobs/internal/claim_limits.h"
#include "loadstone/jobs/overview.h"
#include "tests/conformance/jobs_features.h"

namespace tests::conformance {
namespace {

using namespace features;
using jobs::internal::Claimed;
using jobs::internal::ClaimLoans;
using jobs::internal::Loans;

Task<bool> set_crowd(Tx& tx, int running_max) {
    jobs::LimitChange change;
    change.name = "crowd";
    change.running_max = running_max;
    co_await jobs::set_limit(tx, change);
    co_return true;
}

Task<bool> sign_off_of(Tx& tx, std::int64_t process) {
    co_await jobs::internal::sign_off(tx, process);
    co_return true;
}

Task<std::int64_t> places_lent(Reader reader) {
    static constexpr std::string_view text =
        "select cast(coalesce(sum(places), 0) as bigint) from loadstone_limit_loans";
    static constexpr loadstone::store::Query query{
        .name = "test.lent", .sqlite = text, .postgres = text};
    co_return co_await reader.one<std::int64_t>(query);
}

Task<jobs::LimitsOverview> overview(Reader reader) {
    co_return co_await jobs::limits_overview(reader, 5);
}

// Claims by hand, of a process without a runner.
struct Claimer {
    explicit Claimer(Node& of) : node(of) {
        process = node.write(jobs::internal::register_process, std::string("by hand"));
    }
    Claimed claim(std::int64_t count) {
        const auto lent = std::make_shared<ClaimLoans>(loans);
        auto claimed = node.write(
            jobs::internal::claim, process,
            lanes_of({{"test", "|crowd:a", 0, 0, R"(["features.Crowded"])", count, count}}), count,
            book, lent);
        loans.committed(lent->uses);
        has_locked = lent->has_locked;
        return claimed;
    }
    static jobs::internal::LimitBook of(int running_max) {
        return {{"crowd", {.name = "crowd", .running_max = running_max}}};
    }

    Node& node;
    std::int64_t process = 0;
    Loans loans{10};
    jobs::internal::SharedLimits book = std::make_shared<const jobs::internal::LimitBook>(of(100));
    bool has_locked = false;
};

class JobLoans : public JobFeatures {
protected:
    static std::vector<Crowded> crowd(int count) {
        std::vector<Crowded> all;
        for (int i = 0; i < count; ++i) all.push_back({"a", std::to_string(i)});
        return all;
    }
    std::unique_ptr<Node> lending_node() {
        auto made = node();
        made->runner_options.lend_places_min = 10;
        made->runner_options.running_max = 10;
        return made;
    }
    static bool is_told(Node& node, const std::string& line) {
        return node.registry.prometheus().find(line) != std::string::npos;
    }
};

INSTANTIATE_TEST_SUITE_P(Databases, JobLoans, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

TEST_P(JobLoans, TheSecondClaimIsLentPlacesAndTheThirdAsksNobody) {
    auto one = node();
    one->write(add_all<Crowded>, crowd(30));
    Claimer claimer(*one);
    EXPECT_EQ(claimer.claim(5).batches.at(0).jobs.at(0).lent, nullptr);
    EXPECT_EQ(one->read(places_lent), 0);
    EXPECT_EQ(one->read(places_taken), 5);
    const auto second = claimer.claim(5);
    EXPECT_TRUE(claimer.has_locked);
    EXPECT_NE(second.batches.at(0).jobs.at(0).lent, nullptr);
    EXPECT_EQ(second.batches.at(0).jobs.at(0).held, nullptr);
    EXPECT_EQ(one->read(places_lent), 10);
    EXPECT_EQ(one->read(places_taken), 15);
    EXPECT_EQ(claimer.claim(5).batches.at(0).jobs.size(), 5U);
    EXPECT_FALSE(claimer.has_locked);
    EXPECT_EQ(one->read(places_taken), 15);
    EXPECT_EQ(claimer.claim(5).batches.at(0).jobs.size(), 5U);
    EXPECT_TRUE(claimer.has_locked);
    EXPECT_EQ(one->read(places_lent), 20);
}

TEST_P(JobLoans, AboveHalfOfItsPlacesALimitLendsNoneAndHolds) {
    auto one = node();
    one->write(add_all<Crowded>, crowd(150));
    Claimer first(*one), second(*one);
    first.claim(10);
    EXPECT_EQ(first.claim(30).batches.at(0).jobs.size(), 30U);
    EXPECT_EQ(one->read(places_lent), 40) << "with ten that run it is half";
    second.claim(1);
    EXPECT_EQ(second.claim(40).batches.at(0).jobs.size(), 40U);
    EXPECT_EQ(one->read(places_lent), 40);
    EXPECT_EQ(second.claim(40).batches.at(0).jobs.size(), 9U) << "the rest is another's";
    EXPECT_TRUE(second.claim(40).lanes.at(0).is_full);
    // What it does not use the first gives back when it claims, or when it is looked at.
    EXPECT_EQ(first.claim(40).batches.at(0).jobs.size(), 10U);
    EXPECT_EQ(one->read(places_lent), 30);
    EXPECT_EQ(one->read(places_taken), 100);
}

TEST_P(JobLoans, WhatIsLentComesBackWithADeadProcess) {
    auto one = node();
    one->write(add_all<Crowded>, crowd(30));
    Claimer claimer(*one);
    claimer.claim(5);
    claimer.claim(5);
    EXPECT_EQ(one->read(places_taken), 15);
    // Two rescues, of which one comes too late.
    const std::int64_t none = -1'000'000;
    const auto rescued = one->write(jobs::internal::rescue, none, 3);
    EXPECT_TRUE(one->write(jobs::internal::rescue, none, 3).released->empty());
    ASSERT_EQ(rescued.released->size(), 1U);
    EXPECT_EQ(rescued.released->at(0).name, "crowd:a");
    EXPECT_EQ(rescued.released->at(0).running, 15);
    EXPECT_EQ(one->read(places_lent), 0);
    EXPECT_EQ(one->read(places_taken), 0);
    // It does not know yet, and writes once more.
    EXPECT_TRUE(claimer.claim(30).batches.empty());
    one->write(jobs::internal::rescue, none, 3);
    EXPECT_EQ(one->read(places_lent), 0);
    EXPECT_EQ(one->read(places_taken), 0);
}

TEST_P(JobLoans, WhatSeveralDeadProcessesWereLentOfALimitComesBackAtOnce) {
    auto one = node();
    one->write(add_all<Crowded>, crowd(60));
    Claimer first(*one), second(*one), third(*one);
    for (Claimer* each : {&first, &second, &third}) {
        each->claim(5);
        each->claim(5);
    }
    EXPECT_EQ(one->read(places_taken), 45);
    one->write(sign_off_of, third.process);
    EXPECT_EQ(one->read(places_lent), 20) << "of those that live nothing is taken";
    EXPECT_EQ(one->read(places_taken), 30);
    const std::int64_t none = -1'000'000;
    const auto rescued = one->write(jobs::internal::rescue, none, 3);
    ASSERT_EQ(rescued.released->size(), 1U);
    EXPECT_EQ(rescued.released->at(0).running, 30);
    EXPECT_EQ(one->read(places_lent), 0);
    EXPECT_FALSE(rescued.is_all) << "jobs of one process are rescued at a time";
    one->write(jobs::internal::rescue, none, 3);
    EXPECT_EQ(one->read(places_taken), 0);
}

TEST_P(JobLoans, WhatALostAnswerHasChangedIsReadAgain) {
    auto one = node();
    one->write(add_all<Crowded>, crowd(60));
    Claimer claimer(*one);
    claimer.claim(5);
    const auto lent = std::make_shared<ClaimLoans>(claimer.loans);
    one->write(jobs::internal::claim, claimer.process,
               lanes_of({{"test", "|crowd:a", 0, 0, R"(["features.Crowded"])", 5, 5}}),
               std::int64_t{5}, claimer.book, lent);
    claimer.loans.failed(lent->uses);
    EXPECT_EQ(one->read(places_lent), 10);
    claimer.claim(3);
    EXPECT_TRUE(claimer.has_locked);
    EXPECT_EQ(one->read(places_lent), 6) << "three that run and as many more";
    EXPECT_EQ(one->read(places_taken), 11);
}

TEST_P(JobLoans, SigningOffGivesBack) {
    auto one = node();
    one->write(add_all<Crowded>, crowd(30));
    Claimer claimer(*one);
    claimer.claim(5);
    claimer.claim(5);
    EXPECT_GT(one->read(places_lent), 0);
    one->write(sign_off_of, claimer.process);
    EXPECT_EQ(one->read(places_lent), 0);
    EXPECT_EQ(one->read(places_taken), 0);
}

TEST_P(JobLoans, ALimitHoldsInAllProcessesThatAreLentPlacesOfIt) {
    auto one = lending_node();
    auto two = lending_node();
    auto three = lending_node();
    one->write(set_crowd, 24);
    one->run();
    // A few at a time: where all places are taken there are none to lend.
    std::size_t enqueued = 0;
    ASSERT_TRUE(wait_until([&] {
        one->write(add_all<Crowded>, crowd(5));
        enqueued += 5;
        return is_done(*one) && !is_told(*one, "loadstone_jobs_limit_loans_total 0\n") &&
               !is_told(*one, "loadstone_jobs_claims_lent_total 0\n");
    }));
    for (Node* each : {two.get(), three.get()}) each->run();
    for (int i = 0; i < 20; ++i) one->write(add_all<Crowded>, crowd(50));
    ASSERT_TRUE(is_done(*one));
    EXPECT_LE(stage_.running_max, 24);
    EXPECT_EQ(runs().size(), 1'000 + enqueued);
    // What nobody uses goes back.
    ASSERT_TRUE(wait_until([&] { return one->read(places_lent) == 0; }));
    expect_nothing_left(*one);
    EXPECT_TRUE(is_told(*one, "loadstone_jobs_limit_places_lent 0\n"));
}

TEST_P(JobLoans, ALowerLimitHoldsForWhoWasLentMore) {
    auto one = node();
    one->write(add_all<Crowded>, crowd(40));
    Claimer claimer(*one);
    claimer.claim(5);
    const auto lent = claimer.claim(5).batches.at(0).jobs.at(0).lent;
    EXPECT_EQ(one->read(places_lent), 10);
    claimer.book = std::make_shared<const jobs::internal::LimitBook>(Claimer::of(3));
    claimer.loans.close([](const std::string& limit) { return limit == "crowd"; });
    EXPECT_TRUE(claimer.claim(20).lanes.at(0).is_full);
    EXPECT_EQ(one->read(places_lent), 5);
    EXPECT_EQ(one->read(places_taken), 10);
    // Those under the loan have run.
    std::vector<std::string> awaited;
    claimer.loans.ended(*lent, 5, awaited);
    EXPECT_EQ(awaited, std::vector<std::string>{"crowd:a"}) << "for which a lane waits";
    const auto changes = std::make_shared<const std::vector<jobs::internal::LoanChange>>(
        claimer.loans.surplus(Loans::Clock::now()));
    one->write(jobs::internal::change_loans, claimer.process, claimer.book, changes);
    claimer.loans.changed(*changes, true);
    EXPECT_EQ(one->read(places_lent), 0);
    EXPECT_EQ(one->read(places_taken), 5);
    EXPECT_TRUE(claimer.claim(20).lanes.at(0).is_full);
}

TEST_P(JobLoans, TheOverviewTellsWhatIsLent) {
    auto one = node();
    one->write(set_crowd, 100);
    one->write(add_all<Crowded>, crowd(30));
    Claimer claimer(*one);
    claimer.claim(5);
    claimer.claim(5);
    for (const jobs::LimitOverview& limit : one->read(overview).limits) {
        if (limit.name != "crowd") continue;
        ASSERT_EQ(limit.busiest.size(), 1U);
        EXPECT_EQ(limit.busiest[0].running, 15);
        EXPECT_EQ(limit.busiest[0].lent, 10);
    }
    one->write(set_crowd, 15);
    EXPECT_EQ(one->why(one->jobs_of("waiting")[0].id),
              "limit crowd:a has all of its 15 places taken, of which 10 are lent to processes");
}

}  // namespace
}  // namespace tests::conformance
