#pragma once
// The limits of a claim: what loans cover nobody is asked for; the others are locked, and what they
// allow is the database's. Their states are changed at the transaction's end.

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "loadstone/jobs/internal/limits.h"
#include "loadstone/jobs/internal/loans.h"
#include "loadstone/jobs/internal/records.h"

namespace loadstone::jobs::internal {

// One of them, with what has been taken of it.
struct ClaimLimit {
    const Limit* limit = nullptr;
    std::int64_t wanted = 0;
    LoanTerms terms;
    std::int64_t taken = 0;
    bool has_places = false;  // of the loan

    // Where it is locked.
    bool is_locked = false, was_full = false;
    Limit asked;           // what of it is asked of the state
    LockedRow row;         // with the loan as it becomes
    bool is_read = false;  // what its loan's row says
    std::int64_t places_before = 0, places_after = 0;

    Allowance allowance(std::int64_t jobs) const;
};

// Those under which the jobs of one partition are.
class PartitionLimits {
public:
    // Of `wanted` jobs; as if what was taken before had started.
    Allowance allowance(std::int64_t wanted) const;
    // Below 0: gives back what was taken and then not started.
    void take(std::int64_t count) const;
    // The database's time, or a little before it; 0: nobody has asked.
    std::int64_t now() const;
    // Writes down those of which a job holds a place.
    void hold(Extra& extra) const;
    // Of which loans it has one instead; null: of none.
    SharedLent lent() const;

private:
    friend class ClaimLimits;
    std::vector<ClaimLimit*> all_;
};

class ClaimLimits {
public:
    // Those of the lanes that the book knows. `lanes` must outlive this; `loans` may be null.
    static Task<ClaimLimits> of_lanes(Tx& tx, const LimitBook& book, std::int64_t process,
                                      const std::vector<LaneClaim>& lanes, std::int64_t total,
                                      Loans* loans);
    // Those whose loans change.
    static Task<ClaimLimits> of_changes(Tx& tx, const LimitBook& book, std::int64_t process,
                                        const std::vector<LoanChange>& changes);
    // As long as this lives, wherever it is moved to.
    PartitionLimits of(std::string_view partition);
    Task<void> store(Tx& tx, std::int64_t process);

    // After store().
    LoanUses uses() const { return uses_; }
    bool is_limited() const noexcept { return !limits_.empty(); }
    bool has_locked() const noexcept { return has_locked_; }
    // Those of which a loan has become smaller, with what ran before.
    std::vector<ReleasedRow> given_back() const;

private:
    Task<void> lock(Tx& tx, std::int64_t process);

    std::map<std::string_view, ClaimLimit> limits_;
    LoanUses uses_;
    Loans::Clock::time_point asked_at_{}, answered_at_{};
    bool has_locked_ = false;
};

}  // namespace loadstone::jobs::internal
