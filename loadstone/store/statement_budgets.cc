#include "loadstone/store/statement_budgets.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "loadstone/store/internal/gathered.h"

namespace loadstone::store {

namespace {

void require_at_least(std::string_view name, std::uint64_t value, std::uint64_t least) {
    if (value >= least) return;
    throw Error(
        Errc::invalid_argument,
        fmt::format("a statement budget's {} is {}, at least {} is needed", name, value, least))
        .with_field(std::string(name));
}

void count(telemetry::Counter* counter) noexcept {
    if (counter != nullptr) counter->add();
}

}  // namespace

StatementBudgets::StatementBudgets(const StatementBudget& others, telemetry::Registry& registry)
    : registry_(registry), others_(counted("loadstone", others)) {}

void StatementBudgets::set(std::string module, const StatementBudget& budget) {
    const auto found = std::ranges::find(modules_, module, &OfModule::module);
    if (found != modules_.end())
        *found = counted(std::move(module), budget);
    else
        modules_.push_back(counted(std::move(module), budget));
}

StatementBudgets::OfModule StatementBudgets::counted(std::string module,
                                                     const StatementBudget& budget) {
    require_at_least("rows_max", budget.rows_max, rows_unasked);
    require_at_least("bytes_max", budget.bytes_max, bytes_unasked);
    require_at_least("time_max",
                     static_cast<std::uint64_t>(std::max<std::int64_t>(budget.time_max.count(), 0)),
                     1);
    auto counter = [&](std::string_view kind) {
        return &registry_.counter("loadstone_store_over_budget_total",
                                  telemetry::metric_label("module", module) + "," +
                                      telemetry::metric_label("budget", kind),
                                  "Statements that were stopped because they were over a budget");
    };
    OfModule made;
    made.over_rows = counter("rows");
    made.over_bytes = counter("bytes");
    made.over_time = counter("time");
    made.module = std::move(module);
    made.budget = budget;
    return made;
}

const StatementBudgets::OfModule& StatementBudgets::of(const Context& context) noexcept {
    static const OfModule unset{"", {}};
    const auto* budgets = context.services().find<StatementBudgets>();
    if (budgets == nullptr) return unset;
    for (const OfModule& each : budgets->modules_) {
        if (each.module == context.module()) return each;
    }
    return budgets->others_;
}

OverBudget StatementBudgets::over_time(const Context& context, std::string_view statement) {
    const OfModule& of_module = of(context);
    count(of_module.over_time);
    return {Errc::deadline_exceeded,
            fmt::format("{}: stopped after {} ms, the time budget of a statement of module {}",
                        statement, of_module.budget.time_max.count(), context.module())};
}

void StatementBudgets::throw_over_time(const Context& context, std::string_view statement) {
    throw over_time(context, statement);
}

namespace internal {

void Gathered::check() {
    if (budget_ == nullptr) budget_ = &StatementBudgets::of(*context_);
    const StatementBudget& budget = budget_->budget;
    if (rows_ > budget.rows_max) {
        count(budget_->over_rows);
        throw OverBudget(Errc::internal,
                         fmt::format("{}: more than {} rows, the row budget of a statement of "
                                     "module {}; a result of this size is streamed with each() or "
                                     "read in pages",
                                     statement_, budget.rows_max, context_->module()));
    }
    if (bytes_ > budget.bytes_max) {
        count(budget_->over_bytes);
        throw OverBudget(
            Errc::internal,
            fmt::format("{}: {} bytes in {} rows, more than {}, the byte budget of a statement of "
                        "module {}; a result of this size is streamed with each() or read in pages",
                        statement_, bytes_, rows_, budget.bytes_max, context_->module()));
    }
}

}  // namespace internal

}  // namespace loadstone::store
