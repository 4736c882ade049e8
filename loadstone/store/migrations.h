#pragma once
// Schema migrations: forward only, numbered per module, one transaction each, under a lock so that
// nodes that start at once migrate once. What has been applied stands in `loadstone_migrations`
// (module, number, title, checksum, applied_at).

#include <span>
#include <string>
#include <vector>

#include "loadstone/store/database.h"
#include "loadstone/store/statement.h"

namespace loadstone::store {

struct ModuleMigrations {
    std::string module;
    std::span<const Migration> steps;
};

// The store's own tables, as module "loadstone". The program lists it first.
ModuleMigrations store_migrations();

struct PlannedStep {
    std::string module;
    int number;
    std::string title;
    std::string sql;
};

// What migrate() would do, in order: module by module as given, each by number. Throws conflict if
// the database holds a step that is unknown here (a newer schema) or one whose text has changed.
// Creates nothing.
std::vector<PlannedStep> plan_migrations(const DatabaseOptions& options,
                                         std::span<const ModuleMigrations> modules);
// Applies the plan; returns what it did: of several processes at once, each step is done, and
// returned, by one. Blocking, with connections of its own.
std::vector<PlannedStep> migrate(const DatabaseOptions& options,
                                 std::span<const ModuleMigrations> modules);

}  // namespace loadstone::store
