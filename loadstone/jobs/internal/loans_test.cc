// Loans: when a claim asks nobody, what a process has after answers were lost, what goes back.

#include "loadstone/jobs/internal/loans.h"

#include <gtest/gtest.h>

namespace loadstone::jobs::internal {
namespace {

using std::chrono::milliseconds;

constexpr Loans::Clock::time_point start{std::chrono::hours(1)};
const Limit crowd{.name = "crowd", .running_max = 100};
const Limit brisk{.name = "brisk", .per_second = 100, .burst = 100};

LoanUse use_of(const LoanTerms& terms, std::int64_t taken, bool has_places) {
    LoanUse use;
    use.loan = terms.loan;
    use.was_locked = !terms.is_covered;
    use.taken = taken;
    use.has_places = has_places;
    use.asked_at = start;
    return use;
}

class LoansTest : public testing::Test {
protected:
    LoanTerms ask(std::int64_t wanted, milliseconds after = {}) {
        return loans_.terms("crowd:a", crowd, wanted, start + after);
    }
    // A claim that has locked the limit, written `places` and started `taken` jobs under the loan.
    void lend(std::int64_t places, std::int64_t taken) {
        LoanUse use = use_of(ask(taken), taken, true);
        use.was_locked = true;
        use.places = places;
        loans_.committed({use});
    }
    void end(std::int64_t jobs) {
        std::vector<std::string> awaited;
        loans_.ended({ask(1).loan}, jobs, awaited);
    }

    Loans loans_{64};
};

TEST_F(LoansTest, WhatIsAskedForTwiceMayBeLent) {
    const LoanTerms first = ask(8);
    EXPECT_FALSE(first.is_covered);
    EXPECT_FALSE(first.may_have_places);
    loans_.committed({use_of(first, 8, false)});
    EXPECT_TRUE(ask(8, milliseconds(999)).may_have_places);
    EXPECT_FALSE(ask(8, milliseconds(1'000)).may_have_places);
}

TEST_F(LoansTest, OfSmallLimitsAndOfAnOrderNothingIsLent) {
    const Limit small{.name = "small", .running_max = 63};
    const Limit ordered{.name = "ordered", .running_max = 1'000, .is_in_order = true};
    const Limit slow{.name = "slow", .running_max = 1'000, .per_second = 10, .burst = 5};
    for (const Limit* limit : {&small, &ordered, &slow})
        EXPECT_EQ(loans_.terms("x:y", *limit, 1, start).loan, nullptr) << limit->name;
    Loans none(0);
    EXPECT_EQ(none.terms("crowd:a", crowd, 1, start).loan, nullptr);
    EXPECT_EQ(none.terms("brisk:a", brisk, 1, start).loan, nullptr);
}

TEST_F(LoansTest, NoMoreLimitsThanTheBound) {
    for (std::size_t i = 0; i < Loans::loans_max; ++i)
        EXPECT_NE(loans_.terms("crowd:" + std::to_string(i), crowd, 1, start).loan, nullptr);
    EXPECT_EQ(loans_.terms("crowd:more", crowd, 1, start).loan, nullptr);
}

TEST_F(LoansTest, AClaimIsCoveredByWhatIsFree) {
    lend(20, 8);
    EXPECT_TRUE(ask(12).is_covered);
    EXPECT_FALSE(ask(13).is_covered);
    loans_.committed({use_of(ask(12), 12, true)});
    EXPECT_FALSE(ask(1).is_covered);
    end(5);
    EXPECT_TRUE(ask(5).is_covered);
    EXPECT_EQ(ask(5).used, 15);
}

TEST_F(LoansTest, AClaimThatFailedTookNothing) {
    lend(20, 8);
    loans_.failed({use_of(ask(12), 12, true)});
    EXPECT_TRUE(ask(12).is_covered);
}

TEST_F(LoansTest, AWriteWhoseAnswerIsLostIsNotCountedOn) {
    lend(20, 8);
    LoanUse grown = use_of(ask(30), 30, true);
    grown.places = 60;
    loans_.failed({grown});
    const LoanTerms terms = ask(1);
    EXPECT_FALSE(terms.is_covered) << "its row is to be read";
    EXPECT_TRUE(terms.has_row);
    EXPECT_EQ(terms.places, 20);
    ASSERT_EQ(loans_.surplus(start).size(), 1U) << "or it is made certain beside a claim";
    LoanUse shrunk = use_of(ask(30), 0, false);
    shrunk.places = 8;
    loans_.failed({shrunk});
    EXPECT_EQ(ask(1).places, 8);
    lend(16, 2);
    EXPECT_TRUE(ask(6).is_covered);
}

TEST_F(LoansTest, WhatIsClosedIsUsedNoMoreAndGoesBackAsItBecomesFree) {
    lend(20, 8);
    EXPECT_TRUE(loans_.surplus(start).empty());
    loans_.close([](const std::string& limit) { return limit == "crowd"; });
    EXPECT_FALSE(ask(1).is_covered);
    auto changes = loans_.surplus(start);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].places, 8);
    loans_.changed(changes, true);
    EXPECT_TRUE(loans_.surplus(start).empty());
    end(3);
    EXPECT_FALSE(ask(1).is_covered) << "others may wait for it";
    changes = loans_.surplus(start);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].places, 5);
    loans_.changed(changes, false);
    EXPECT_EQ(loans_.surplus(start).size(), 1U) << "whether it went back is not known";
}

TEST_F(LoansTest, WhatIsHardlyUsedGoesBack) {
    lend(90, 10);
    EXPECT_EQ(loans_.surplus(start).size(), 1U);
    end(10);
    EXPECT_TRUE(loans_.surplus(start + milliseconds(999)).empty());
    const auto changes = loans_.surplus(start + milliseconds(1'000));
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].places, 10) << "so many were used within the second";
    loans_.changed(changes, true);
    const auto rest = loans_.surplus(start + milliseconds(2'000));
    ASSERT_EQ(rest.size(), 1U);
    EXPECT_EQ(rest[0].places, 0);
    loans_.changed(rest, true);
    EXPECT_EQ(loans_.places(), 0);
}

TEST_F(LoansTest, AProcessThatSignedOnAnewHasNothing) {
    lend(20, 8);
    const LoanTerms old = ask(1);
    loans_.forget();
    EXPECT_EQ(loans_.places(), 0);
    std::vector<std::string> awaited;
    loans_.ended({old.loan}, 8, awaited);
    EXPECT_FALSE(ask(1).is_covered);
    EXPECT_EQ(ask(1).used, 0);
}

TEST_F(LoansTest, WhoWaitsForAPlaceHearsOfOne) {
    LoanUse full = use_of(ask(30), 8, true);
    full.places = 8;
    full.was_full = true;
    loans_.committed({full});
    std::vector<std::string> awaited;
    loans_.ended({full.loan}, 1, awaited);
    loans_.ended({full.loan}, 1, awaited);
    EXPECT_EQ(awaited, std::vector<std::string>{"crowd:a"});
}

TEST_F(LoansTest, StartsAreLostAfterAMoment) {
    const auto terms = [&](std::int64_t wanted, milliseconds after) {
        return loans_.terms("brisk:a", brisk, wanted, start + after);
    };
    LoanUse use = use_of(terms(5, {}), 5, false);
    loans_.committed({use});
    const LoanTerms second = terms(5, {});
    EXPECT_TRUE(second.may_have_starts);
    EXPECT_EQ(second.starts_expected, 5);
    use.starts = 10;
    loans_.committed({use});
    EXPECT_TRUE(terms(10, milliseconds(99)).is_covered);
    EXPECT_FALSE(terms(11, milliseconds(99)).is_covered);
    EXPECT_FALSE(terms(1, milliseconds(100)).is_covered);
    loans_.failed({use_of(terms(4, {}), 4, false)});
    EXPECT_EQ(terms(1, {}).starts, 6) << "they may have been claimed";
    loans_.close_all();
    EXPECT_FALSE(terms(1, {}).is_covered);
}

}  // namespace
}  // namespace loadstone::jobs::internal
