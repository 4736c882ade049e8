#include "loadstone/store/inspection.h"

#include "loadstone/store/internal/backend.h"
#include "loadstone/store/internal/url.h"
#include "loadstone/store/sqlite/lock_holder.h"

namespace loadstone::store {

std::string shape_of(const ExplainedPlan& plan) {
    std::string shape;
    for (const PlanStep& step : plan.steps) {
        if (!shape.empty()) shape += '\n';
        shape.append(static_cast<std::size_t>(step.depth) * 2, ' ').append(step.step);
    }
    return shape;
}

std::optional<LockHolder> write_lock_holder(const DatabaseOptions& options) {
    if (internal::dialect_of(options.url) != Dialect::sqlite) return std::nullopt;
    return sqlite::write_lock_holder(internal::sqlite_path(options.url));
}

std::unique_ptr<Inspection> open_inspection(const DatabaseOptions& options) {
    return internal::dialect_of(options.url) == Dialect::sqlite
               ? internal::open_sqlite_inspection(options)
               : internal::open_postgres_inspection(options);
}

}  // namespace loadstone::store
