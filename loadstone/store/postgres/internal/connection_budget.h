#pragma once
// ConnectionBudget: how many connections to one server this process may have, by what they are
// for. Who opens one takes a slot first and holds it until it is closed, so that there are never
// more than allowed. When it becomes fewer, what is open stays until it is idle: is_over() tells.
// Thread-safe.

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "loadstone/store/internal/connection_shares.h"

namespace loadstone::store::postgres {

enum class Purpose { writes, reads, more_reads, heavy, more_heavy, others };
constexpr std::array all_purposes{Purpose::writes, Purpose::reads,      Purpose::more_reads,
                                  Purpose::heavy,  Purpose::more_heavy, Purpose::others};
std::string_view to_string(Purpose purpose) noexcept;

class ConnectionBudget : public std::enable_shared_from_this<ConnectionBudget> {
public:
    // Given back when it is destroyed; empty: none was needed.
    class Slot {
    public:
        Slot() = default;
        Slot(std::shared_ptr<ConnectionBudget> budget, Purpose purpose) noexcept
            : budget_(std::move(budget)), purpose_(purpose) {}
        Slot(Slot&&) noexcept = default;
        Slot& operator=(Slot&& other) noexcept {
            give_back();
            budget_ = std::move(other.budget_);
            purpose_ = other.purpose_;
            return *this;
        }
        ~Slot() { give_back(); }
        void give_back() noexcept {
            if (const auto budget = std::move(budget_)) budget->closed(purpose_);
        }

    private:
        std::shared_ptr<ConnectionBudget> budget_;
        Purpose purpose_ = Purpose::others;
    };

    // Nothing while there are as many as allowed.
    std::optional<Slot> try_open(Purpose purpose);
    bool has_room(Purpose purpose) const;
    bool is_over(Purpose purpose) const;

    void allow(const internal::ConnectionCounts& counts);
    std::size_t allowed(Purpose purpose) const;
    std::size_t open(Purpose purpose) const;
    std::size_t open() const;

private:
    struct Count {
        std::size_t allowed = 0, open = 0;
    };
    void closed(Purpose purpose) noexcept;
    Count count(Purpose purpose) const;

    mutable std::mutex mutex_;
    std::array<Count, all_purposes.size()> counts_{};
};

}  // namespace loadstone::store::postgres
