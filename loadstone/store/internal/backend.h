#pragma once
// What a backend gives to the shared part of the store: how it is opened and how its schema is
// changed. The shared part decides what to apply (migrations.cc); a backend only reads and
// applies.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/store/database.h"
#include "loadstone/store/inspection.h"

namespace loadstone::store::internal {

// Both throw as open_database() does.
std::unique_ptr<Database> open_sqlite(const DatabaseOptions& options,
                                      telemetry::Registry& registry);
std::unique_ptr<Database> open_postgres(const DatabaseOptions& options,
                                        telemetry::Registry& registry);

// Both throw as open_inspection() does.
std::unique_ptr<Inspection> open_sqlite_inspection(const DatabaseOptions& options);
std::unique_ptr<Inspection> open_postgres_inspection(const DatabaseOptions& options);

void check_postgres_url(const std::string& url);

// A row of `loadstone_migrations`, but for applied_at.
struct AppliedStep {
    std::string module;
    int number = 0;
    std::string title;
    std::string checksum;
};

// Text that both databases take. PostgreSQL runs it under the lock of apply(): two sessions that
// create the same table at once collide even with `if not exists`.
inline constexpr std::string_view create_migrations_table =
    "create table if not exists loadstone_migrations ("
    "module text not null, number integer not null, title text not null, checksum text not null, "
    "applied_at bigint not null, primary key (module, number))";

// A connection of its own, blocking. Every wait is bounded (connect_timeout, and `lock_wait_max`
// for the lock: unavailable). Errors as of Connection::run, naming the step.
class SchemaSession {
public:
    static constexpr std::chrono::seconds lock_wait_max{60};

    virtual ~SchemaSession() = default;

    // What stands in loadstone_migrations, by module and number; empty if there is no such table
    // (or no such file). Writes nothing.
    virtual std::vector<AppliedStep> applied() = 0;

    // In one transaction: take the lock that all migrating processes share (SQLite: the write
    // lock, `begin immediate`; PostgreSQL: pg_advisory_xact_lock, which works behind PgBouncer
    // too), create loadstone_migrations if missing, and look whether the step stands there
    // already. If so: false, or conflict if its checksum is another. Otherwise run `sql` (several
    // statements), record the step with the current time as applied_at, and commit: true. A
    // failure leaves nothing behind.
    virtual bool apply(const AppliedStep& step, std::string_view sql) = 0;
};

// Do not create anything yet. Errors: invalid_argument for the URL, unavailable.
std::unique_ptr<SchemaSession> open_sqlite_schema(const DatabaseOptions& options);
std::unique_ptr<SchemaSession> open_postgres_schema(const DatabaseOptions& options);

// The URL fit for messages: the password, if any, replaced by "***" (database.cc).
std::string without_password(std::string_view url);
// The conflict of apply(), in the same words everywhere (migrations.cc).
[[noreturn]] void throw_step_changed(const AppliedStep& applied, const AppliedStep& here);

}  // namespace loadstone::store::internal
