#include "loadstone/jobs/internal/claim_limits.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "loadstone/base/json.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

std::int64_t micros(Loans::Clock::duration time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

LimitState state_of(const LimitRow& row) { return {row.arrival_at, row.running}; }

void lend(ClaimLimit& of, std::int64_t places) {
    of.row.running += places - std::exchange(of.places_after, places);
}

// Once it is locked: whether its jobs have places of the loan, and how large that becomes.
void decide(ClaimLimit& of) {
    of.asked = *of.limit;
    if (!of.is_read) return;
    const std::int64_t least = of.terms.used + of.wanted;
    std::optional<std::int64_t> places;
    if (of.terms.may_have_places)
        places =
            places_to_lend(*of.limit, of.row.running - of.places_before, least, least + of.wanted);
    of.has_places = places.has_value();
    if (of.has_places) of.asked.running_max = 0;
    // What is not used goes back, for others may wait.
    lend(of, places.value_or(of.terms.used));
}

// The row as it becomes, and the use of the loan. False: nothing of the row changes.
bool change(ClaimLimit& of, LoanUse& use) {
    LimitState next = state_of(of.row);
    if (of.taken > 0) {
        next = started(*of.limit, next, of.row.now, of.taken);
        if (of.terms.may_have_starts && (of.limit->running_max == 0 || of.has_places)) {
            use.starts =
                starts_to_lend(*of.limit, next, of.row.now, of.terms.starts_expected + of.wanted);
            if (use.starts > 0) next = started(*of.limit, next, of.row.now, use.starts);
        }
        of.row.arrival_at = next.arrival_at;
        // Only what will be given back counts as running.
        if (of.limit->running_max > 0 && !of.has_places) of.row.running += of.taken;
    }
    return of.taken > 0 || of.row.released != 0 || of.places_after != of.places_before;
}

}  // namespace

Allowance ClaimLimit::allowance(std::int64_t jobs) const {
    if (is_locked) {
        LimitState state = state_of(row);
        if (taken > 0) state = started(asked, state, row.now, taken);
        jobs = has_places ? std::min(jobs, places_after - terms.used - taken) : jobs;
        return jobs::allowance(asked, state, row.now, jobs);
    }
    if (limit->running_max > 0) jobs = std::min(jobs, terms.places - terms.used - taken);
    if (limit->per_second > 0) jobs = std::min(jobs, terms.starts - taken);
    return {jobs, 0};
}

Allowance PartitionLimits::allowance(std::int64_t wanted) const {
    Allowance all{wanted, 0};
    for (ClaimLimit* each : all_) {
        const Allowance one = each->allowance(wanted);
        all.count = std::min(all.count, one.count);
        // Until the last of them allows it; a full one has no time.
        if (one.count == 0) all.retry_in_us = std::max(all.retry_in_us, one.retry_in_us);
        if (one.count == 0 && one.retry_in_us == 0) each->was_full = true;
    }
    return all;
}

void PartitionLimits::take(std::int64_t count) const {
    for (ClaimLimit* each : all_) each->taken += count;
}

std::int64_t PartitionLimits::now() const {
    std::int64_t latest = 0;
    for (const ClaimLimit* each : all_)
        latest = std::max(latest, each->is_locked ? each->row.now : each->terms.now);
    return latest;
}

void PartitionLimits::hold(Extra& extra) const {
    for (const ClaimLimit* each : all_) {
        if (each->limit->running_max == 0 || each->has_places) continue;
        (each->limit->is_in_order ? extra.keeps : extra.holds).push_back(each->row.name);
    }
}

SharedLent PartitionLimits::lent() const {
    Lent lent;
    for (const ClaimLimit* each : all_) {
        if (each->has_places) lent.push_back(each->terms.loan);
    }
    return lent.empty() ? nullptr : std::make_shared<const Lent>(std::move(lent));
}

Task<ClaimLimits> ClaimLimits::of_lanes(Tx& tx, const LimitBook& book, std::int64_t process,
                                        const std::vector<LaneClaim>& lanes, std::int64_t total,
                                        Loans* loans) {
    ClaimLimits all;
    all.asked_at_ = Loans::Clock::now();
    for (const LaneClaim& lane : lanes) {
        for (const std::string_view name : limits_in(lane.partition_key)) {
            auto at = all.limits_.find(name);
            if (at == all.limits_.end()) {
                const auto limit = book.find(limit_name(name));
                if (limit == book.end()) continue;
                at = all.limits_.emplace(name, ClaimLimit{}).first;
                at->second.limit = &limit->second;
            }
            at->second.wanted = std::min(total, at->second.wanted + lane.count);
        }
    }
    for (auto& [name, each] : all.limits_) {
        if (loans != nullptr)
            each.terms = loans->terms(name, *each.limit, each.wanted, all.asked_at_);
        each.is_locked = !each.terms.is_covered;
        each.is_read = each.is_locked && (each.terms.has_row || each.terms.may_have_places);
        each.has_places = each.terms.is_covered && each.limit->running_max > 0;
    }
    co_await all.lock(tx, process);
    for (auto& [name, each] : all.limits_) {
        if (each.is_locked) decide(each);
    }
    co_return all;
}

Task<ClaimLimits> ClaimLimits::of_changes(Tx& tx, const LimitBook& book, std::int64_t process,
                                          const std::vector<LoanChange>& changes) {
    ClaimLimits all;
    for (const LoanChange& change : changes) {
        const auto limit = book.find(limit_name(change.loan->name));
        if (limit == book.end()) continue;
        ClaimLimit& one = all.limits_[change.loan->name];
        one.limit = &limit->second;
        one.is_locked = one.is_read = true;
        one.terms.places = change.places;
    }
    co_await all.lock(tx, process);
    for (auto& [name, each] : all.limits_) lend(each, each.terms.places);
    co_return all;
}

Task<void> ClaimLimits::lock(Tx& tx, std::int64_t process) {
    std::vector<std::string> names, lent;
    for (const auto& [name, each] : limits_) {
        if (each.is_locked) names.emplace_back(name);
        if (each.is_read) lent.emplace_back(name);
    }
    if (names.empty()) co_return;
    has_locked_ = true;
    LockedRows rows = co_await lock_limits(tx, std::move(names), process, std::move(lent));
    answered_at_ = Loans::Clock::now();
    for (LockedRow& row : rows.states) {
        const auto at = limits_.find(row.name);
        at->second.row = std::move(row);
    }
    for (const PlacesRow& loan : *rows.loans) {
        ClaimLimit& one = limits_.find(loan.name)->second;
        one.places_before = one.places_after = loan.places;
    }
}

PartitionLimits ClaimLimits::of(std::string_view partition) {
    PartitionLimits found;
    if (limits_.empty()) return found;
    for (const std::string_view name : limits_in(partition)) {
        if (const auto at = limits_.find(name); at != limits_.end())
            found.all_.push_back(&at->second);
    }
    return found;
}

Task<void> ClaimLimits::store(Tx& tx, std::int64_t process) {
    std::vector<LockedRow> changed;
    std::vector<PlacesRow> lent;
    std::vector<std::string> not_lent;
    uses_.clear();
    for (auto& [name, each] : limits_) {
        // What found no jobs needs no more.
        if (each.is_locked && each.has_places && each.taken == 0) lend(each, each.terms.used);
        LoanUse use;
        use.loan = each.terms.loan;
        use.was_locked = each.is_locked;
        use.taken = each.taken;
        use.has_places = each.has_places;
        use.asked_at = asked_at_;
        if (each.is_locked) use.now = each.row.now - micros(answered_at_ - asked_at_);
        if (each.is_locked && change(each, use)) changed.push_back(each.row);
        if (each.is_read) use.places = each.places_after;
        if (each.places_after > 0 && each.places_after != each.places_before)
            lent.push_back({std::string(name), each.places_after});
        if (each.places_after == 0 && each.places_before > 0) not_lent.emplace_back(name);
        use.was_refused = each.terms.may_have_places && !each.has_places;
        use.was_full = each.was_full;
        if (use.loan) uses_.push_back(std::move(use));
    }
    if (!changed.empty()) {
        const std::string json = to_json(changed);
        co_await tx.defer(sql::change_limits, json);
    }
    if (!lent.empty()) {
        const std::string json = to_json(lent);
        co_await tx.defer(sql::change_loans, json, process);
    }
    if (!not_lent.empty()) {
        const std::string json = to_json(not_lent);
        co_await tx.defer(sql::remove_loans, json, process);
    }
}

std::vector<ReleasedRow> ClaimLimits::given_back() const {
    std::vector<ReleasedRow> smaller;
    for (const auto& [name, each] : limits_) {
        if (each.places_after < each.places_before)
            smaller.push_back(
                {std::string(name), each.row.running + each.places_before - each.places_after});
    }
    return smaller;
}

}  // namespace loadstone::jobs::internal
