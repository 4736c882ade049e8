#include "loadstone/store/sqlite/handle.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>

#include "loadstone/base/assert.h"
#include "loadstone/store/internal/query_labels.h"
#include "loadstone/store/internal/storable.h"
#include "loadstone/store/sqlite/account.h"
#include "loadstone/store/sqlite/errors.h"
#include "loadstone/store/sqlite/statement_row.h"
#include "loadstone/telemetry/thread_usage.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::store::sqlite {

// While it lives, the statement runs on behalf of a context.
struct Handle::RunScope {
    RunScope(Handle& handle, sqlite3_stmt* statement, Context& context, const RunLimits& limits)
        : handle_(handle), statement_(statement) {
        handle.running_ = {};
        handle.running_.context = &context;
        handle.running_.fiber = limits.fiber;
        handle.running_.look_steps = handle.file_->check_steps;
        handle.running_.steps_left = limits.steps_max;
        if (limits.fiber != nullptr) handle.look_each(limits.piece_steps);
        if (limits.busy_wait.count() > 0) {
            handle.running_.busy_until = std::chrono::steady_clock::now() + limits.busy_wait;
        }
    }
    RunScope(const RunScope&) = delete;
    RunScope& operator=(const RunScope&) = delete;
    ~RunScope() {
        sqlite3_reset(statement_);
        if (handle_.running_.fiber != nullptr) handle_.look_each(handle_.file_->check_steps);
        handle_.running_.context = nullptr;
    }

    Handle& handle_;
    sqlite3_stmt* statement_;
};

Handle::Handle(const FileOptions& file, Access access) : file_(&file) {
    const int mode = access == Access::read_only ? SQLITE_OPEN_READONLY
                                                 : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const int code = sqlite3_open_v2(file.path.c_str(), &db_, mode | SQLITE_OPEN_NOMUTEX, file.vfs);
    if (code != SQLITE_OK) {
        const int extended = db_ == nullptr ? code : sqlite3_extended_errcode(db_);
        const Error error = error_of(extended, db_, "open", file.path);
        sqlite3_close_v2(db_);
        throw error;
    }
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_handler(db_, &Handle::on_busy, this);
    look_each(file.check_steps);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_set_authorizer(db_, &Handle::on_prepare, this);
}

Handle::~Handle() {
    for (const Prepared& prepared : cache_) sqlite3_finalize(prepared.statement);
    for (const auto& [text, statement] : own_) sqlite3_finalize(statement);
    sqlite3_close_v2(db_);
}

// A statement that never gets here is over in microseconds, and looks up nothing.
bool Handle::is_over_time(Running& running) noexcept {
    const std::uint64_t now = telemetry::tsc();
    if (running.looked_tsc == 0) {
        running.looked_tsc = now;
        const auto time_max = StatementBudgets::of(*running.context).budget.time_max;
        running.time_max_ns =
            static_cast<std::uint64_t>(std::chrono::nanoseconds(time_max).count());
        return false;
    }
    return telemetry::tsc_to_ns(now - running.looked_tsc - running.stopped_tsc) >
           running.time_max_ns;
}

void Handle::look_each(int steps) {
    running_.look_steps = steps;
    sqlite3_progress_handler(db_, steps, &Handle::on_progress, this);
}

void Handle::let_others_go_on(Running& running) noexcept {
    const std::uint64_t since = telemetry::tsc();
    running.fiber->stop();
    running.stopped_tsc += telemetry::tsc() - since;
    if (running.is_abandoned) running.stopped = Stopped::cancelled;
}

int Handle::on_progress(void* self) {
    Handle& handle = *static_cast<Handle*>(self);
    Running& running = handle.running_;
    if (running.context == nullptr) return 0;
    // The thread's clock tells nothing of one that others go on between.
    if (++running.looks == cpu_look && running.fiber == nullptr)
        running.cpu_begun_ns = telemetry::thread_cpu_ns();
    if (running.steps_left != RunLimits::unlimited) {
        running.steps_left -= running.look_steps;
        if (running.steps_left <= 0) running.stopped = Stopped::budget;
    }
    if (is_over_time(running)) running.stopped = Stopped::time_budget;
    if (running.context->deadline().passed()) running.stopped = Stopped::deadline;
    if (running.context->is_cancelled()) running.stopped = Stopped::cancelled;
    if (running.fiber != nullptr && running.stopped == Stopped::no) let_others_go_on(running);
    return running.stopped == Stopped::no ? 0 : 1;
}

int Handle::on_busy(void* self, int attempts) {
    const Running& running = static_cast<Handle*>(self)->running_;
    if (std::chrono::steady_clock::now() >= running.busy_until) return 0;
    if (running.context != nullptr &&
        (running.context->deadline().passed() || running.context->is_cancelled())) {
        return 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(attempts + 1, 10)));
    return 1;
}

// Transactions are the store's, and so are the connection's settings.
int Handle::on_prepare(void* self, int action, const char* /*first*/, const char* second,
                       const char* /*database*/, const char* /*trigger*/) {
    if (!static_cast<Handle*>(self)->preparing_application_) return SQLITE_OK;
    switch (action) {
        case SQLITE_TRANSACTION:
        case SQLITE_SAVEPOINT:
        case SQLITE_ATTACH:
        case SQLITE_DETACH: return SQLITE_DENY;
        case SQLITE_PRAGMA: return second == nullptr ? SQLITE_OK : SQLITE_DENY;
        default: return SQLITE_OK;
    }
}

sqlite3_stmt* Handle::compile(std::string_view sql, std::string_view name) {
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, &rest);
    if (code != SQLITE_OK) {
        last_failure_ = code;
        throw error_of(code, db_, name, file_->path);
    }
    const auto used = static_cast<std::size_t>(rest - sql.data());
    if (statement == nullptr || sql.find_first_not_of(" \t\r\n;", used) != std::string_view::npos) {
        sqlite3_finalize(statement);
        throw Error(Errc::internal, fmt::format("{}: not one statement", name));
    }
    return statement;
}

Prepared& Handle::prepare(const StatementRef& statement) {
    const auto found = by_identity_.find(statement.identity);
    if (found != by_identity_.end()) {
        cache_.splice(cache_.begin(), cache_, found->second);
        Prepared& prepared = cache_.front();
        if (statement.sqlite == sqlite3_sql(prepared.statement)) return prepared;
        // Another statement at the address of one that is gone.
        sqlite3_finalize(prepared.statement);
        by_identity_.erase(found);
        cache_.pop_front();
    }
    preparing_application_ = true;
    struct Off {
        bool& flag;
        ~Off() { flag = false; }
    } off{preparing_application_};
    Prepared prepared;
    prepared.statement = compile(statement.sqlite, statement.name);
    const int parameters = sqlite3_bind_parameter_count(prepared.statement);
    if (parameters != statement.parameters) {
        sqlite3_finalize(prepared.statement);
        throw Error(Errc::internal,
                    fmt::format("{}: the text has {} parameters, its declaration {}",
                                statement.name, parameters, statement.parameters));
    }
    prepared.identity = statement.identity;
    prepared.label = internal::query_label(*file_->registry, statement.name);
    file_->statistics->note_text(statement);
    note_plan(statement);
    if (cache_.size() >= statements_max) {
        sqlite3_finalize(cache_.back().statement);
        by_identity_.erase(cache_.back().identity);
        cache_.pop_back();
    }
    cache_.push_front(prepared);
    by_identity_[statement.identity] = cache_.begin();
    return cache_.front();
}

// How SQLite would run it, a line for each step. Asked when it is prepared on a connection and when
// SQLite has prepared it again: then its plan may be another.
void Handle::note_plan(const StatementRef& statement) {
    const std::string text = fmt::format("explain query plan {}", statement.sqlite);
    sqlite3_stmt* explain = nullptr;
    if (sqlite3_prepare_v2(db_, text.c_str(), -1, &explain, nullptr) != SQLITE_OK) return;
    std::unordered_map<int, std::size_t> depths;
    std::string plan;
    while (sqlite3_step(explain) == SQLITE_ROW) {
        const auto parent = depths.find(sqlite3_column_int(explain, 1));
        const std::size_t depth = parent == depths.end() ? 0 : parent->second + 1;
        depths[sqlite3_column_int(explain, 0)] = depth;
        const auto* detail = reinterpret_cast<const char*>(sqlite3_column_text(explain, 3));
        if (!plan.empty()) plan += '\n';
        plan.append(depth * 2, ' ').append(detail == nullptr ? "" : detail);
    }
    sqlite3_finalize(explain);
    if (!plan.empty()) file_->statistics->note_plan(statement.name, std::move(plan));
}

void Handle::bind(sqlite3_stmt* statement, std::span<const Value> values) {
    int index = 0;
    for (const Value& value : values) {
        ++index;
        // A null pointer would bind null.
        const char* data = value.text.data() == nullptr ? "" : value.text.data();
        int code = SQLITE_OK;
        switch (value.kind) {
            case ValueKind::null: code = sqlite3_bind_null(statement, index); break;
            case ValueKind::boolean:
            case ValueKind::integer:
                code = sqlite3_bind_int64(statement, index, value.integer);
                break;
            case ValueKind::real: code = sqlite3_bind_double(statement, index, value.real); break;
            case ValueKind::text:
                code = sqlite3_bind_text64(statement, index, data, value.text.size(), SQLITE_STATIC,
                                           SQLITE_UTF8);
                break;
            case ValueKind::bytes:
                code =
                    sqlite3_bind_blob64(statement, index, data, value.text.size(), SQLITE_STATIC);
                break;
        }
        if (code != SQLITE_OK) throw error_of(code, db_, "a parameter", file_->path);
    }
}

void Handle::fail(int code, const Context& context, std::string_view name) {
    last_failure_ = code;
    if (primary(code) == SQLITE_INTERRUPT) {
        if (running_.stopped == Stopped::cancelled) {
            throw Error(Errc::cancelled, fmt::format("{}: cancelled", name));
        }
        if (running_.stopped == Stopped::time_budget)
            StatementBudgets::throw_over_time(context, name);
        throw Error(Errc::deadline_exceeded, fmt::format("{}: stopped at the deadline", name));
    }
    if (primary(code) == SQLITE_BUSY) {
        if (context.is_cancelled())
            throw Error(Errc::cancelled, fmt::format("{}: cancelled", name));
        if (context.deadline().passed()) {
            throw Error(Errc::deadline_exceeded,
                        fmt::format("{}: {} was locked by another process until the deadline", name,
                                    file_->path));
        }
    }
    throw error_of(code, db_, name, file_->path);
}

Handle::Outcome Handle::run(Context& context, const StatementRef& statement,
                            std::span<const Value> values, RowSink sink, const RunLimits& limits) {
    LOADSTONE_ASSERT(values.size() == static_cast<std::size_t>(statement.parameters),
                     "a statement is given as many values as it has parameters");
    internal::require_storable(statement.name, values);
    file_->statistics->require_new(context.span(), statement);
    Prepared& prepared = prepare(statement);
    const RunScope scope(*this, prepared.statement, context, limits);
    bind(prepared.statement, values);
    Account account(*file_->statistics, context, statement, prepared, limits, running_.cpu_begun_ns,
                    running_.stopped_tsc);
    const auto changes_before = statement.writes ? sqlite3_total_changes64(db_) : 0;
    const StatementRow row(statement.name, prepared);
    std::uint64_t seen = 0;
    int code = sqlite3_step(prepared.statement);
    const int reprepared = sqlite3_stmt_status(prepared.statement, SQLITE_STMTSTATUS_REPREPARE, 0);
    const bool is_new_plan = reprepared != prepared.reprepared;
    if (is_new_plan) {
        prepared.reprepared = reprepared;
        prepared.verified = {};
    }
    for (; code == SQLITE_ROW; code = sqlite3_step(prepared.statement)) {
        if (++seen <= limits.rows_skipped) continue;
        account.rows = seen;
        sink(row);
    }
    Outcome outcome;
    outcome.result.rows = std::max(seen, limits.rows_skipped);
    if (code == SQLITE_DONE) {
        account.finished = true;
        outcome.result.rows = seen;
        if (statement.writes && sqlite3_total_changes64(db_) != changes_before) {
            outcome.result.affected = static_cast<std::uint64_t>(sqlite3_changes64(db_));
            account.rows = std::max(account.rows, outcome.result.affected);
        }
        if (is_new_plan) note_plan(statement);  // it counts as a write of no row
        return outcome;
    }
    if (primary(code) == SQLITE_INTERRUPT && running_.stopped == Stopped::budget) {
        account.drop();
        outcome.ended = Ended::over_budget;
        return outcome;
    }
    if (primary(code) == SQLITE_BUSY && !limits.busy_is_an_error) {
        account.drop();
        outcome.ended = Ended::busy;
        return outcome;
    }
    fail(code, context, statement.name);
}

sqlite3_stmt* Handle::own(const char* text) {
    sqlite3_stmt*& statement = own_[text];
    if (statement == nullptr) statement = compile(text, text);
    return statement;
}

int Handle::control(const char* text, std::chrono::milliseconds busy_wait) {
    sqlite3_stmt* statement = nullptr;
    running_.busy_until = std::chrono::steady_clock::now() + busy_wait;
    try {
        statement = own(text);
    } catch (const Error&) {
        return last_failure_;
    }
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) code = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (code == SQLITE_DONE) return SQLITE_OK;
    last_failure_ = code;
    return code;
}

void Handle::require(const char* text, std::chrono::milliseconds busy_wait) {
    const int code = control(text, busy_wait);
    if (code != SQLITE_OK) throw error_of(code, db_, text, file_->path);
}

// The first column of the first row; null if there is none, or no such statement.
template <class Read>
auto Handle::first(const char* text, Read read) -> std::optional<decltype(read(nullptr))> {
    try {
        sqlite3_stmt* statement = own(text);
        std::optional<decltype(read(nullptr))> value;
        if (sqlite3_step(statement) == SQLITE_ROW &&
            sqlite3_column_type(statement, 0) != SQLITE_NULL) {
            value = read(statement);
        }
        sqlite3_reset(statement);
        return value;
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::optional<std::int64_t> Handle::integer(const char* text) {
    return first(text, [](sqlite3_stmt* statement) -> std::int64_t {
        return sqlite3_column_int64(statement, 0);
    });
}

std::optional<std::string> Handle::text(const char* text) {
    return first(text, [](sqlite3_stmt* statement) -> std::string {
        return reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    });
}

}  // namespace loadstone::store::sqlite
