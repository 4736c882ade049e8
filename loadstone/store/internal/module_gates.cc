#include "loadstone/store/internal/module_gates.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/error.h"

namespace loadstone::store::internal {

using runtime::Acquired;

namespace {

constexpr std::chrono::seconds retry_after{1};

telemetry::Counter& counter(telemetry::Registry& registry, std::string_view name,
                            std::string_view module, std::string_view direction,
                            std::string_view help) {
    return registry.counter(name,
                            telemetry::metric_label("module", module) + "," +
                                telemetry::metric_label("direction", direction),
                            help);
}

}  // namespace

std::size_t places_of(int percent, std::size_t places) noexcept {
    if (percent >= 100) return std::max<std::size_t>(places, 1);
    return std::max<std::size_t>(places * static_cast<std::size_t>(percent) / 100, 1);
}

ModuleGates::Gate::Gate(const ModuleShare& of, int percent_of, std::size_t places,
                        std::size_t waiters_max, std::string_view direction,
                        telemetry::Registry& registry)
    : module(of.module),
      percent(percent_of),
      permits(places_of(percent_of, places), waiters_max),
      waits(counter(registry, "loadstone_store_module_waits_total", module, direction,
                    "Statements and transactions that waited for a place of their module")),
      refused(counter(registry, "loadstone_store_module_refused_total", module, direction,
                      "Those that got none: too many waited, or their deadline passed")) {}

ModuleGates::ModuleGates(std::string_view direction, const std::vector<ModuleShare>& shares,
                         int ConnectionShare::* percent, std::size_t places,
                         std::size_t waiters_max, telemetry::Registry& registry)
    : direction_(direction) {
    for (const ModuleShare& each : shares) {
        if (each.share.*percent < 100)
            gates_.emplace_back(each, each.share.*percent, places, waiters_max, direction,
                                registry);
    }
}

ModuleGates::Gate* ModuleGates::of(std::string_view module) {
    const auto found = std::ranges::find(gates_, module, &Gate::module);
    return found == gates_.end() ? nullptr : &*found;
}

std::optional<ModuleGates::Place> ModuleGates::try_enter(const Context& context) {
    Gate* const gate = of(context.module());
    if (gate == nullptr) return Place();
    if (!gate->permits.try_acquire()) return std::nullopt;
    return Place(gate->permits);
}

Task<ModuleGates::Place> ModuleGates::enter(Context& context) {
    Gate* const gate = of(context.module());
    if (gate == nullptr) co_return Place();
    gate->waits.add();
    telemetry::Wait wait(context.span(), telemetry::WaitKind::pool);
    const Acquired acquired = co_await gate->permits.acquire(context.deadline());
    if (acquired == Acquired::queue_full)
        refuse(*gate, fmt::format("{} wait, the most there may be", gate->permits.waiting()));
    if (acquired == Acquired::deadline_passed) refuse(*gate, "the deadline passed");
    Place place(gate->permits);
    context.throw_if_done(direction_);
    co_return place;
}

void ModuleGates::refuse(Gate& gate, std::string_view why) const {
    gate.refused.add();
    throw Error(Errc::unavailable,
                fmt::format("module {} has all of its {} places for {} in use, and {}", gate.module,
                            gate.permits.permits(), direction_, why))
        .with_retry_after(retry_after);
}

void ModuleGates::resize(std::size_t places) {
    for (Gate& gate : gates_) gate.permits.resize(places_of(gate.percent, places));
}

}  // namespace loadstone::store::internal
