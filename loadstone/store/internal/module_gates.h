#pragma once
// ModuleGates: how many of the places for one direction (writes, reads, heavy reads) each module
// may have at a time, so that a storm of one leaves some to the others. Modules without a share
// have no gate. Thread-safe; of() costs a comparison of names for each module.

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/runtime/task.h"
#include "loadstone/store/module_shares.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::internal {

// A module's part of so many places, rounded down, at least one.
std::size_t places_of(int percent, std::size_t places) noexcept;

class ModuleGates {
public:
    // Given back at its end; empty: none was needed.
    class Place {
    public:
        Place() = default;
        explicit Place(runtime::Semaphore& permits) noexcept : permits_(&permits) {}
        Place(Place&& other) noexcept : permits_(std::exchange(other.permits_, nullptr)) {}
        Place& operator=(Place&&) = delete;
        ~Place() {
            if (permits_ != nullptr) permits_->release();
        }

    private:
        runtime::Semaphore* permits_ = nullptr;
    };

    // `waiters_max` of each module.
    ModuleGates(std::string_view direction, const std::vector<ModuleShare>& shares,
                int ConnectionShare::* percent, std::size_t places, std::size_t waiters_max,
                telemetry::Registry& registry);
    ModuleGates(const ModuleGates&) = delete;
    ModuleGates& operator=(const ModuleGates&) = delete;

    // At once, or nothing.
    std::optional<Place> try_enter(const Context& context);
    // Waits until the context's deadline. Errors: unavailable with retry_after, naming module and
    // direction, if too many wait or the deadline passes; what throw_if_done() throws.
    Task<Place> enter(Context& context);
    void resize(std::size_t places);
    bool empty() const noexcept { return gates_.empty(); }

private:
    struct Gate {
        Gate(const ModuleShare& of, int percent_of, std::size_t places, std::size_t waiters_max,
             std::string_view direction, telemetry::Registry& registry);
        const std::string module;
        const int percent;
        runtime::Semaphore permits;
        telemetry::Counter& waits;
        telemetry::Counter& refused;
    };
    Gate* of(std::string_view module);
    [[noreturn]] void refuse(Gate& gate, std::string_view why) const;

    const std::string direction_;
    std::deque<Gate> gates_;
};

}  // namespace loadstone::store::internal
