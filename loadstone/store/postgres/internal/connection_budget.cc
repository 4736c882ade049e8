#include "loadstone/store/postgres/internal/connection_budget.h"

namespace loadstone::store::postgres {

namespace {

std::size_t place_of(Purpose purpose) { return static_cast<std::size_t>(purpose); }

}  // namespace

std::string_view to_string(Purpose purpose) noexcept {
    switch (purpose) {
        case Purpose::writes: return "writes";
        case Purpose::reads: return "reads";
        case Purpose::more_reads: return "more_reads";
        case Purpose::heavy: return "heavy";
        case Purpose::more_heavy: return "more_heavy";
        case Purpose::others: return "others";
    }
    return "";
}

std::optional<ConnectionBudget::Slot> ConnectionBudget::try_open(Purpose purpose) {
    {
        const std::scoped_lock lock(mutex_);
        Count& count = counts_[place_of(purpose)];
        if (count.open >= count.allowed) return std::nullopt;
        ++count.open;
    }
    return Slot(shared_from_this(), purpose);
}

bool ConnectionBudget::has_room(Purpose purpose) const {
    const Count now = count(purpose);
    return now.open < now.allowed;
}

bool ConnectionBudget::is_over(Purpose purpose) const {
    const Count now = count(purpose);
    return now.open > now.allowed;
}

void ConnectionBudget::allow(const internal::ConnectionCounts& counts) {
    const std::scoped_lock lock(mutex_);
    const auto set = [this](Purpose purpose, std::size_t allowed) {
        counts_[place_of(purpose)].allowed = allowed;
    };
    set(Purpose::writes, counts.writes);
    set(Purpose::reads, counts.reads);
    set(Purpose::more_reads, counts.more_reads);
    set(Purpose::heavy, counts.heavy);
    set(Purpose::more_heavy, counts.more_heavy);
    set(Purpose::others, counts.others);
}

std::size_t ConnectionBudget::allowed(Purpose purpose) const { return count(purpose).allowed; }
std::size_t ConnectionBudget::open(Purpose purpose) const { return count(purpose).open; }

std::size_t ConnectionBudget::open() const {
    const std::scoped_lock lock(mutex_);
    std::size_t all = 0;
    for (const Count& count : counts_) all += count.open;
    return all;
}

ConnectionBudget::Count ConnectionBudget::count(Purpose purpose) const {
    const std::scoped_lock lock(mutex_);
    return counts_[place_of(purpose)];
}

void ConnectionBudget::closed(Purpose purpose) noexcept {
    const std::scoped_lock lock(mutex_);
    --counts_[place_of(purpose)].open;
}

}  // namespace loadstone::store::postgres
