// Migrations of a PostgreSQL database: blocking, each step in a transaction under an advisory
// lock.
#include <fmt/format.h>
#include <poll.h>

#include <charconv>

#include "loadstone/base/error.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/runtime/deadline.h"
#include "loadstone/store/internal/backend.h"
#include "loadstone/store/postgres/internal/handles.h"
#include "loadstone/store/postgres/internal/sqlstate.h"
#include "loadstone/store/postgres/internal/target.h"

namespace loadstone::store {

namespace postgres {

namespace {

using internal::AppliedStep;

// "loadston", the lock of all who migrate.
constexpr std::int64_t lock_key = 0x6c6f616473746f6e;
// A step may build an index of a large table; beyond this something is wrong.
constexpr std::chrono::hours step_max{6};
constexpr std::chrono::seconds answer_max{30};

class Schema final : public internal::SchemaSession {
public:
    explicit Schema(const DatabaseOptions& options) {
        const Target target = primary_of(options);
        const Parameters parameters = parameters_for(target, Use::schema, options);
        const ParameterArrays arrays(parameters);
        connection_.reset(PQconnectdbParams(arrays.keywords.data(), arrays.values.data(), 0));
        if (connection_ == nullptr) throw std::bad_alloc();
        if (PQstatus(connection_.get()) != CONNECTION_OK) {
            throw unavailable(fmt::format("the database at {} cannot be reached: {}", target.shown,
                                          connection_message(connection_.get())));
        }
        PQsetNoticeReceiver(connection_.get(), [](void*, const PGresult*) {}, nullptr);
    }

    std::vector<AppliedStep> applied() override {
        std::vector<AppliedStep> steps;
        const auto exists = run("select to_regclass('loadstone_migrations') is not null", {},
                                "loadstone_migrations", answer_max);
        if (std::string_view(PQgetvalue(exists.get(), 0, 0)) != "t") return steps;
        const auto rows =
            run("select module, number, title, checksum from loadstone_migrations "
                "order by module, number",
                {}, "loadstone_migrations", answer_max);
        for (int i = 0; i < PQntuples(rows.get()); ++i) {
            AppliedStep& step = steps.emplace_back();
            step.module = PQgetvalue(rows.get(), i, 0);
            const std::string_view number(PQgetvalue(rows.get(), i, 1));
            std::from_chars(number.data(), number.data() + number.size(), step.number);
            step.title = PQgetvalue(rows.get(), i, 2);
            step.checksum = PQgetvalue(rows.get(), i, 3);
        }
        return steps;
    }

    bool apply(const AppliedStep& step, std::string_view sql) override {
        const std::string what =
            fmt::format("migration {} of module '{}' ({})", step.number, step.module, step.title);
        run("begin isolation level read committed", {}, what, answer_max);
        try {
            const bool is_new = apply_begun(step, sql, what);
            run(is_new ? "commit" : "rollback", {}, what, answer_max);
            return is_new;
        } catch (...) {
            roll_back();
            throw;
        }
    }

private:
    bool apply_begun(const AppliedStep& step, std::string_view sql, const std::string& what) {
        run("set local statement_timeout = 0", {}, what, answer_max);
        const auto wait_ms = std::chrono::milliseconds(lock_wait_max).count();
        run(fmt::format("set local lock_timeout = {}", wait_ms), {}, what, answer_max);
        take_lock(what);
        run(std::string(internal::create_migrations_table), {}, what, answer_max);
        const std::string number = std::to_string(step.number);
        const auto found =
            run("select title, checksum from loadstone_migrations "
                "where module = $1 and number = $2::integer",
                {step.module, number}, what, answer_max);
        if (PQntuples(found.get()) > 0) {
            AppliedStep known = step;
            known.title = PQgetvalue(found.get(), 0, 0);
            known.checksum = PQgetvalue(found.get(), 0, 1);
            if (known.checksum != step.checksum) internal::throw_step_changed(known, step);
            return false;
        }
        run_script(std::string(sql), what);
        run("insert into loadstone_migrations (module, number, title, checksum, applied_at) "
            "values ($1, $2::integer, $3, $4, $5::bigint)",
            {step.module, number, step.title, step.checksum,
             std::to_string(Timestamp::now().micros)},
            what, answer_max);
        return true;
    }

    void take_lock(const std::string& what) {
        try {
            run(fmt::format("select pg_advisory_xact_lock({})", lock_key), {}, what,
                lock_wait_max + answer_max);
        } catch (const Error& error) {
            if (error.code() != Errc::conflict) throw;
            throw unavailable(fmt::format("{}: another process has been migrating for {} s", what,
                                          lock_wait_max.count()));
        }
    }

    ResultHandle run(const std::string& sql, const std::vector<std::string>& values,
                     std::string_view what, std::chrono::seconds longest) {
        std::vector<const char*> texts;
        texts.reserve(values.size());
        for (const std::string& value : values) texts.push_back(value.c_str());
        require_sent(
            PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(texts.size()),
                              nullptr, texts.data(), nullptr, nullptr, 0),
            what);
        return finish(what, longest);
    }

    // Several statements.
    void run_script(const std::string& sql, std::string_view what) {
        require_sent(PQsendQuery(connection_.get(), sql.c_str()), what);
        finish(what, step_max);
    }

    void require_sent(int sent, std::string_view what) {
        if (sent == 0) {
            throw unavailable(fmt::format("{}: {}", what, connection_message(connection_.get())));
        }
    }

    // The last result, when the server is through with all.
    ResultHandle finish(std::string_view what, std::chrono::seconds longest) {
        const Deadline deadline = Deadline::in(longest);
        ResultHandle last;
        std::optional<Error> failure;
        for (;;) {
            wait(what, deadline);
            ResultHandle result(PQgetResult(connection_.get()));
            if (result == nullptr) break;
            if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failure) {
                failure = failure_of(result.get(), what).error;
            }
            last = std::move(result);
        }
        if (failure) throw std::move(*failure);
        return last;
    }

    void wait(std::string_view what, Deadline deadline) {
        while (PQisBusy(connection_.get()) != 0) {
            pollfd at{PQsocket(connection_.get()), POLLIN, 0};
            const int ready = ::poll(&at, 1, static_cast<int>(deadline.remaining().count()));
            if (ready == 0) {
                connection_.reset();
                throw unavailable(fmt::format("{}: no answer from the database in time", what));
            }
            if (ready > 0 && PQconsumeInput(connection_.get()) == 0) {
                throw unavailable(fmt::format("{}: the connection to the database was lost: {}",
                                              what, connection_message(connection_.get())));
            }
        }
    }

    void roll_back() noexcept {
        try {
            if (connection_ != nullptr) run("rollback", {}, "rollback", answer_max);
        } catch (const std::exception&) {
            connection_.reset();  // the server rolls back what is left of it
        }
    }

    ConnectionHandle connection_;
};

}  // namespace

}  // namespace postgres

namespace internal {

std::unique_ptr<SchemaSession> open_postgres_schema(const DatabaseOptions& options) {
    return std::make_unique<postgres::Schema>(options);
}

}  // namespace internal

}  // namespace loadstone::store
