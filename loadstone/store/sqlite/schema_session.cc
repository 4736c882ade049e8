// Migrations of a SQLite file: the write lock of each step's transaction is the lock of all.

#include <fmt/core.h>

#include <filesystem>

#include "loadstone/base/error.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/store/internal/backend.h"
#include "loadstone/store/internal/url.h"
#include "loadstone/store/sqlite/errors.h"
#include "loadstone/store/sqlite/open_writer.h"

namespace loadstone::store {

namespace {

using internal::AppliedStep;
using sqlite::Handle;

constexpr const char* steps_sql =
    "select module, number, title, checksum from loadstone_migrations order by module, number";
constexpr const char* record_sql =
    "insert into loadstone_migrations (module, number, title, checksum, applied_at) "
    "values (?1, ?2, ?3, ?4, ?5)";

// A statement that is used once.
class Once {
public:
    Once(Handle& handle, const char* text) : handle_(handle) {
        check(sqlite3_prepare_v2(handle.db(), text, -1, &statement_, nullptr));
    }
    ~Once() { sqlite3_finalize(statement_); }
    Once(const Once&) = delete;
    Once& operator=(const Once&) = delete;

    void bind(int index, std::string_view text) {
        check(sqlite3_bind_text64(statement_, index, text.empty() ? "" : text.data(), text.size(),
                                  SQLITE_STATIC, SQLITE_UTF8));
    }
    void bind(int index, std::int64_t value) {
        check(sqlite3_bind_int64(statement_, index, value));
    }
    bool step() {
        const int code = sqlite3_step(statement_);
        if (code != SQLITE_ROW && code != SQLITE_DONE) check(code);
        return code == SQLITE_ROW;
    }
    std::string text(int column) {
        const auto* data = sqlite3_column_text(statement_, column);
        return data == nullptr ? std::string() : reinterpret_cast<const char*>(data);
    }
    int integer(int column) { return sqlite3_column_int(statement_, column); }

private:
    void check(int code) {
        if (code == SQLITE_OK) return;
        throw sqlite::error_of(code, handle_.db(), "loadstone_migrations", handle_.file().path);
    }

    Handle& handle_;
    sqlite3_stmt* statement_ = nullptr;
};

std::vector<AppliedStep> read_steps(Handle& handle) {
    std::vector<AppliedStep> steps;
    Once exists(handle, "select 1 from sqlite_master where name = 'loadstone_migrations'");
    if (!exists.step()) return steps;
    Once query(handle, steps_sql);
    while (query.step()) {
        AppliedStep step;
        step.module = query.text(0);
        step.number = query.integer(1);
        step.title = query.text(2);
        step.checksum = query.text(3);
        steps.push_back(std::move(step));
    }
    return steps;
}

class SqliteSchema final : public internal::SchemaSession {
public:
    explicit SqliteSchema(const DatabaseOptions& options) {
        file_.path = internal::sqlite_path(options.url);
    }

    std::vector<AppliedStep> applied() override {
        if (handle_ != nullptr) return read_steps(*handle_);
        std::error_code ignored;
        if (!std::filesystem::exists(file_.path, ignored)) return {};
        Handle reader(file_, sqlite::Access::read_only);
        sqlite3_busy_timeout(reader.db(), lock_wait_ms);
        return read_steps(reader);
    }

    bool apply(const AppliedStep& step, std::string_view sql) override {
        if (handle_ == nullptr) {
            handle_ = sqlite::open_writer(file_, lock_wait_max);
            // A step may rebuild a table that others refer to; they are checked before the commit.
            handle_->require("pragma foreign_keys = off");
        }
        handle_->require("begin immediate", lock_wait_max);
        try {
            if (apply_in_transaction(step, sql)) {
                handle_->require("commit");
                return true;
            }
        } catch (...) {
            if (handle_->in_transaction()) handle_->control("rollback");
            throw;
        }
        handle_->require("rollback");
        return false;
    }

private:
    static constexpr int lock_wait_ms =
        static_cast<int>(std::chrono::milliseconds(lock_wait_max).count());

    bool apply_in_transaction(const AppliedStep& step, std::string_view sql) {
        const std::string name =
            fmt::format("migration {} of module '{}' ({})", step.number, step.module, step.title);
        execute(internal::create_migrations_table, name);
        for (const AppliedStep& done : read_steps(*handle_)) {
            if (done.module != step.module || done.number != step.number) continue;
            if (done.checksum != step.checksum) internal::throw_step_changed(done, step);
            return false;
        }
        execute(sql, name);
        if (!handle_->in_transaction()) {
            throw Error(Errc::internal, fmt::format("{}: it ended its transaction", name));
        }
        Once dangling(*handle_, "pragma foreign_key_check");
        if (dangling.step()) {
            throw Error(Errc::conflict, fmt::format("{}: rows of table {} refer to rows of {} that "
                                                    "do not exist",
                                                    name, dangling.text(0), dangling.text(2)));
        }
        Once record(*handle_, record_sql);
        record.bind(1, std::string_view(step.module));
        record.bind(2, std::int64_t{step.number});
        record.bind(3, std::string_view(step.title));
        record.bind(4, std::string_view(step.checksum));
        record.bind(5, Timestamp::now().micros);
        record.step();
        return true;
    }

    void execute(std::string_view sql, std::string_view name) {
        const std::string text(sql);
        const int code = sqlite3_exec(handle_->db(), text.c_str(), nullptr, nullptr, nullptr);
        if (code != SQLITE_OK) throw sqlite::error_of(code, handle_->db(), name, file_.path);
    }

    sqlite::FileOptions file_;
    std::unique_ptr<Handle> handle_;
};

}  // namespace

std::unique_ptr<internal::SchemaSession> internal::open_sqlite_schema(
    const DatabaseOptions& options) {
    return std::make_unique<SqliteSchema>(options);
}

}  // namespace loadstone::store
