#include "loadstone/store/migrations.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/store/internal/backend.h"
#include "loadstone/store/internal/url.h"
#include "loadstone/store/sql.h"

namespace loadstone::store {

namespace {

using internal::AppliedStep;

// FNV-1a: it must find edits, not forgeries.
std::string checksum_of(std::string_view text) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 1099511628211U;
    }
    return fmt::format("{:016x}", hash);
}

struct Step {
    AppliedStep identity;
    std::string_view sql;
};

std::vector<Step> steps_of(Dialect dialect, std::span<const ModuleMigrations> modules) {
    std::vector<Step> steps;
    for (std::size_t i = 0; i < modules.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            LOADSTONE_ASSERT(modules[i].module != modules[j].module, "a module is listed once");
        }
        int expected = 1;
        for (const Migration& migration : modules[i].steps) {
            LOADSTONE_ASSERT(migration.number == expected++, "migrations are numbered 1..n");
            Step step;
            step.sql = dialect == Dialect::sqlite ? migration.sqlite : migration.postgres;
            step.identity.module = modules[i].module;
            step.identity.number = migration.number;
            step.identity.title = migration.title;
            step.identity.checksum = checksum_of(step.sql);
            steps.push_back(std::move(step));
        }
    }
    return steps;
}

void require_known(const AppliedStep& applied, const std::vector<Step>& steps) {
    const auto here = std::ranges::find_if(steps, [&](const Step& step) {
        return step.identity.module == applied.module && step.identity.number == applied.number;
    });
    if (here == steps.end()) {
        throw Error(Errc::conflict,
                    fmt::format("the database is newer than this program: it has migration {} of "
                                "module '{}' ({}), which is unknown here",
                                applied.number, applied.module, applied.title));
    }
    if (here->identity.checksum != applied.checksum) {
        internal::throw_step_changed(applied, here->identity);
    }
}

// The steps that `applied` lacks.
std::vector<Step> pending(const std::vector<AppliedStep>& applied, std::vector<Step> steps) {
    for (const AppliedStep& step : applied) require_known(step, steps);
    std::erase_if(steps, [&](const Step& step) {
        return std::ranges::any_of(applied, [&](const AppliedStep& done) {
            return done.module == step.identity.module && done.number == step.identity.number;
        });
    });
    return steps;
}

PlannedStep planned(const Step& step) {
    PlannedStep plan;
    plan.module = step.identity.module;
    plan.number = step.identity.number;
    plan.title = step.identity.title;
    plan.sql = step.sql;
    return plan;
}

std::unique_ptr<internal::SchemaSession> open_schema(Dialect dialect,
                                                     const DatabaseOptions& options) {
    return dialect == Dialect::sqlite ? internal::open_sqlite_schema(options)
                                      : internal::open_postgres_schema(options);
}

}  // namespace

void internal::throw_step_changed(const AppliedStep& applied, const AppliedStep& here) {
    throw Error(
        Errc::conflict,
        fmt::format("migration {} of module '{}' ({}) has changed since it was applied: its "
                    "checksum was {} and is {}; released migrations are never edited, add a "
                    "new one",
                    applied.number, applied.module, applied.title, applied.checksum,
                    here.checksum));
}

ModuleMigrations store_migrations() { return {"loadstone", sql::migrations}; }

std::vector<PlannedStep> plan_migrations(const DatabaseOptions& options,
                                         std::span<const ModuleMigrations> modules) {
    const Dialect dialect = internal::dialect_of(options.url);
    const auto session = open_schema(dialect, options);
    std::vector<PlannedStep> plan;
    for (const Step& step : pending(session->applied(), steps_of(dialect, modules))) {
        plan.push_back(planned(step));
    }
    return plan;
}

std::vector<PlannedStep> migrate(const DatabaseOptions& options,
                                 std::span<const ModuleMigrations> modules) {
    const Dialect dialect = internal::dialect_of(options.url);
    const auto session = open_schema(dialect, options);
    std::vector<PlannedStep> done;
    for (const Step& step : pending(session->applied(), steps_of(dialect, modules))) {
        if (session->apply(step.identity, step.sql)) done.push_back(planned(step));
    }
    return done;
}

}  // namespace loadstone::store
