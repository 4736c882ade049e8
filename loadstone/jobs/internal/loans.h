#pragma once
// Loans: what this process has of limits in advance, so that a claim of jobs under them asks
// nobody. Safe on any thread. The claims' task asks and changes, jobs that have run give back.
//
// Places. The limit counts what is lent as running, and a row says whose it is; of the rows this
// knows what they say at least. A job that was claimed under a loan holds nothing: its place is
// counted here, and is free again when it has run. Where more than half of a limit's places would
// be taken, nothing is lent: jobs hold places as those of any limit (Extra), and the loan goes back
// as it becomes free ("closed"), for others may wait.
//
// Starts are charged when they are lent, may be made for `starts_lent_for` by this process's steady
// clock, which began before they were charged, and are lost then.
//
// Lent is what is asked for twice within a second. What is hardly used goes back (surplus()).

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/jobs/limit.h"
#include "loadstone/runtime/clock.h"

namespace loadstone::jobs::internal {

// Of one limit ("mail:gmail.com"). Read and changed by Loans alone.
struct Loan {
    std::string name;
    std::int64_t places = 0;     // as its row says, or fewer
    std::int64_t used = 0;       // of jobs that run
    std::int64_t used_most = 0;  // since the surplus was last looked for
    bool is_open = false;        // places may be used again
    bool is_uncertain = false;   // the row may say something else: a write's answer was lost
    bool is_awaited = false;     // a lane of this process waits for a place
    bool is_seen = true;         // asked for since the surplus was last looked for
    runtime::Clock::time_point locked_at{}, refused_until{};
    std::int64_t now = 0;  // the database's time at locked_at, or a little before it
    std::int64_t starts = 0;
    runtime::Clock::time_point starts_until{};
    // Made in this window of `starts_lent_for`, and in the one before.
    std::int64_t starts_made = 0, starts_before = 0;
    runtime::Clock::time_point window_end{};
};
using SharedLoan = std::shared_ptr<Loan>;
// Of each of which every job of a lane has a place.
using Lent = std::vector<SharedLoan>;
using SharedLent = std::shared_ptr<const Lent>;

// On what a claim may count with one limit.
struct LoanTerms {
    SharedLoan loan;          // null: of this limit nothing is lent
    bool is_covered = false;  // all that is wanted may start, and nobody is asked
    bool has_row = false;     // or may have: it is to be read when the limit is locked
    bool may_have_places = false, may_have_starts = false;  // when it is locked
    std::int64_t places = 0, used = 0;
    std::int64_t starts = 0, starts_expected = 0;  // while starts are lent
    std::int64_t now = 0;  // the database's time, or a little before it, while starts are lent
};

// What a claim did with one limit, to be told when it is committed or has failed.
struct LoanUse {
    SharedLoan loan;
    bool was_locked = false;
    std::int64_t taken = 0;              // jobs
    bool has_places = false;             // they have them of the loan
    std::optional<std::int64_t> places;  // what the row says from now on, where it was written
    std::int64_t starts = 0;             // lent with it
    runtime::Clock::time_point asked_at{};
    std::int64_t now = 0;  // the database's time at asked_at, or a little before it
    bool was_refused = false, was_full = false;
};
using LoanUses = std::vector<LoanUse>;

// The loans of a claim, and what it has done with them, which is known when it is committed.
class Loans;
struct ClaimLoans {
    Loans& loans;
    LoanUses uses;
    bool is_limited = false, has_locked = false;  // it is under limits, of which some were locked
    bool has_failed = false;                      // or what came of it is not known
};
using SharedClaimLoans = std::shared_ptr<ClaimLoans>;

// A loan that is to have so many places.
struct LoanChange {
    SharedLoan loan;
    std::int64_t places = 0;
};

using SharedLoanChanges = std::shared_ptr<const std::vector<LoanChange>>;

class Loans {
public:
    using Clock = runtime::Clock;
    static constexpr std::size_t loans_max = 1'000;  // of other limits nothing is lent
    static constexpr std::chrono::milliseconds surplus_every{1'000}, refused_for{100};

    // `places_min`: as of lends_places; 0: nothing is lent, starts neither.
    explicit Loans(int places_min) : places_min_(places_min) {}

    LoanTerms terms(std::string_view name, const Limit& limit, std::int64_t wanted,
                    Clock::time_point now);
    // The claim's jobs start.
    void committed(const LoanUses& uses);
    // Or they do not here, and whether its writes happened is not known.
    void failed(const LoanUses& uses);
    // So many jobs of a lane have run. Adds limits of which a lane here waits for a place.
    void ended(const Lent& lent, std::int64_t jobs, std::vector<std::string>& awaited);

    // What is to go back, or to be made certain.
    std::vector<LoanChange> surplus(Clock::time_point now);
    void changed(const std::vector<LoanChange>& changes, bool is_certain);
    // Limits of these names ("mail") have been set anew: what is lent is used no more.
    void close(const std::function<bool(const std::string& limit)>& is_one);
    void close_all();
    // The process has signed on anew: what it had is rescued. Jobs that still run give back
    // nothing.
    void forget();

    std::int64_t places() const;  // that are lent, of all limits

private:
    static void close(Loan& loan) noexcept;
    static void count_starts(Loan& loan, std::int64_t count, Clock::time_point now) noexcept;

    const int places_min_;
    mutable std::mutex mutex_;
    std::map<std::string, SharedLoan, std::less<>> loans_;
    Clock::time_point surplus_at_{};
};

}  // namespace loadstone::jobs::internal
