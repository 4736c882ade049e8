#include "loadstone/jobs/internal/loans.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/jobs/keys.h"

namespace loadstone::jobs::internal {

namespace {

constexpr std::int64_t surplus_factor = 3;  // of what was used most

}  // namespace

LoanTerms Loans::terms(std::string_view name, const Limit& limit, std::int64_t wanted,
                       Clock::time_point now) {
    const bool has_places = limit.running_max > 0, has_starts = limit.per_second > 0;
    const bool may_lend = places_min_ > 0 && (has_places || has_starts) &&
                          (!has_places || lends_places(limit, places_min_)) &&
                          (!has_starts || lends_starts(limit));
    const std::lock_guard lock(mutex_);
    auto at = loans_.find(name);
    if (at == loans_.end()) {
        if (!may_lend || loans_.size() >= loans_max) return {};
        at = loans_.emplace(name, std::make_shared<Loan>()).first;
        at->second->name = name;
    }
    Loan& loan = *at->second;
    loan.is_seen = true;
    LoanTerms terms;
    terms.loan = at->second;
    terms.places = loan.places;
    terms.used = loan.used;
    terms.has_row = loan.places > 0 || loan.is_uncertain;
    if (!may_lend) return terms;
    if (now < loan.starts_until) {
        terms.starts = loan.starts;
        const auto since =
            std::chrono::duration_cast<std::chrono::microseconds>(now - loan.locked_at);
        terms.now = loan.now + since.count();
    }
    terms.is_covered = (!has_places || (loan.is_open && !loan.is_uncertain &&
                                        loan.places - loan.used >= wanted)) &&
                       (!has_starts || terms.starts >= wanted);
    const bool is_known = now < loan.locked_at + surplus_every && now >= loan.refused_until;
    terms.may_have_places = has_places && (terms.has_row || is_known);
    terms.may_have_starts = has_starts && is_known;
    const bool is_now = now < loan.window_end;
    const bool is_next = now < loan.window_end + starts_lent_for;
    terms.starts_expected =
        std::max(is_next ? loan.starts_made : 0, is_now ? loan.starts_before : 0);
    return terms;
}

void Loans::committed(const LoanUses& uses) {
    const std::lock_guard lock(mutex_);
    for (const LoanUse& use : uses) {
        Loan& loan = *use.loan;
        if (use.places) {
            loan.places = *use.places;
            loan.is_uncertain = false;
        }
        if (use.was_locked) {
            loan.is_open = use.has_places;
            loan.locked_at = use.asked_at;
            loan.now = use.now;
            if (use.was_refused) loan.refused_until = use.asked_at + refused_for;
            if (use.starts > 0) {
                loan.starts = use.starts;
                loan.starts_until = use.asked_at + starts_lent_for;
            }
        } else {
            loan.starts = std::max<std::int64_t>(0, loan.starts - use.taken);
        }
        loan.is_awaited = loan.is_awaited || use.was_full;
        if (use.has_places) loan.used += use.taken;
        loan.used_most = std::max(loan.used_most, loan.used);
        count_starts(loan, use.taken, use.asked_at);
        LOADSTONE_ASSERT(loan.used <= loan.places, "no more places are used than are lent");
    }
}

void Loans::failed(const LoanUses& uses) {
    const std::lock_guard lock(mutex_);
    for (const LoanUse& use : uses) {
        Loan& loan = *use.loan;
        if (use.places && *use.places != loan.places) {
            loan.places = std::min(loan.places, *use.places);
            loan.is_uncertain = true;
        }
        // They may have been claimed, and count as started.
        if (!use.was_locked) loan.starts = std::max<std::int64_t>(0, loan.starts - use.taken);
    }
}

void Loans::ended(const Lent& lent, std::int64_t jobs, std::vector<std::string>& awaited) {
    const std::lock_guard lock(mutex_);
    for (const SharedLoan& loan : lent) {
        LOADSTONE_ASSERT(loan->used >= jobs, "a place is given back once");
        loan->used -= jobs;
        if (std::exchange(loan->is_awaited, false)) awaited.push_back(loan->name);
    }
}

std::vector<LoanChange> Loans::surplus(Clock::time_point now) {
    std::vector<LoanChange> changes;
    const std::lock_guard lock(mutex_);
    const bool is_time = now >= surplus_at_;
    if (is_time) surplus_at_ = now + surplus_every;
    for (auto at = loans_.begin(); at != loans_.end();) {
        Loan& loan = *at->second;
        const std::int64_t most = std::max(loan.used, loan.used_most);
        if (loan.is_uncertain || (!loan.is_open && loan.places > loan.used)) {
            changes.push_back({at->second, loan.used});
        } else if (is_time && loan.places > surplus_factor * most) {
            changes.push_back({at->second, most});
        }
        bool is_idle = false;
        if (is_time) {
            is_idle = !loan.is_seen && loan.places == 0 && !loan.is_uncertain;
            loan.used_most = loan.used;
            loan.is_seen = false;
        }
        at = is_idle ? loans_.erase(at) : std::next(at);
    }
    return changes;
}

void Loans::changed(const std::vector<LoanChange>& changes, bool is_certain) {
    const std::lock_guard lock(mutex_);
    for (const LoanChange& change : changes) {
        Loan& loan = *change.loan;
        loan.places = is_certain ? change.places : std::min(loan.places, change.places);
        loan.is_uncertain = !is_certain;
    }
}

void Loans::close(Loan& loan) noexcept {
    loan.is_open = false;
    loan.starts = 0;
}

void Loans::close(const std::function<bool(const std::string& limit)>& is_one) {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, loan] : loans_) {
        if (is_one(limit_name(name))) close(*loan);
    }
}

void Loans::close_all() {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, loan] : loans_) close(*loan);
}

void Loans::forget() {
    const std::lock_guard lock(mutex_);
    loans_.clear();
}

std::int64_t Loans::places() const {
    std::int64_t all = 0;
    const std::lock_guard lock(mutex_);
    for (const auto& [name, loan] : loans_) all += loan->places;
    return all;
}

void Loans::count_starts(Loan& loan, std::int64_t count, Clock::time_point now) noexcept {
    if (now >= loan.window_end) {
        const bool is_next = now < loan.window_end + starts_lent_for;
        loan.starts_before = is_next ? loan.starts_made : 0;
        loan.starts_made = 0;
        loan.window_end = now + starts_lent_for;
    }
    loan.starts_made += count;
}

}  // namespace loadstone::jobs::internal
