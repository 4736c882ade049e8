// Inspection of a SQLite file, on a connection that cannot write.

#include "loadstone/store/inspection.h"

#include <fmt/core.h>

#include <charconv>
#include <filesystem>
#include <unordered_map>

#include "loadstone/base/error.h"
#include "loadstone/store/internal/backend.h"
#include "loadstone/store/internal/url.h"
#include "loadstone/store/sqlite/errors.h"
#include "loadstone/store/sqlite/open_writer.h"
#include "loadstone/store/sqlite/parameter_kinds.h"

namespace loadstone::store {

namespace {

using sqlite::Handle;

constexpr int busy_timeout_ms = 5'000;

struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, Finalize>;

class SqliteInspection final : public Inspection {
public:
    explicit SqliteInspection(const DatabaseOptions& options) {
        file_.path = internal::sqlite_path(options.url);
        std::error_code ignored;
        if (!std::filesystem::exists(file_.path, ignored)) {
            throw Error(
                Errc::unavailable,
                fmt::format("there is no database {}: no server has run on it", file_.path));
        }
        handle_ = std::make_unique<Handle>(file_, sqlite::Access::read_only);
        sqlite3_busy_timeout(handle_->db(), busy_timeout_ms);
    }

    Dialect dialect() const noexcept override { return Dialect::sqlite; }

    ExplainedPlan explain(const StatementText& statement, const std::vector<std::string>& values,
                          bool analyze) override {
        require_kinds(statement, values);
        ExplainedPlan plan;
        const auto explain = prepare("explain query plan " + statement.sqlite, statement.name);
        std::unordered_map<int, int> depths;
        while (step(explain.get(), statement.name)) {
            const auto parent = depths.find(sqlite3_column_int(explain.get(), 1));
            PlanStep& one = plan.steps.emplace_back();
            one.depth = parent == depths.end() ? 0 : parent->second + 1;
            depths[sqlite3_column_int(explain.get(), 0)] = one.depth;
            one.step = text(explain.get(), 3);
        }
        if (analyze) run(statement, values, plan);
        return plan;
    }

    // SQLite has one lock, and who holds it is the server's to tell.
    std::vector<LockWait> locks() override { return {}; }

    Space space() override {
        FileSpace file;
        file.path = file_.path;
        file.page_bytes = number("pragma page_size");
        file.pages = number("pragma page_count");
        file.free_pages = number("pragma freelist_count");
        std::error_code ignored;
        const auto log = std::filesystem::file_size(file_.path + "-wal", ignored);
        file.log_bytes = ignored ? 0 : log;
        Space space;
        space.file = file;
        return space;
    }

    Replication replication() override { return {"single", 0, {}}; }

    ServerConnections connections() override { return {}; }

    ServerStatistics server_statistics() override { return {}; }

private:
    // PostgreSQL refuses such a value by itself.
    void require_kinds(const StatementText& statement, const std::vector<std::string>& values) {
        const auto kinds = sqlite::parameter_kinds(handle_->db(), statement.sqlite,
                                                   static_cast<int>(values.size()));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::string missed = sqlite::kind_missed(kinds[i], values[i]);
            if (missed.empty()) continue;
            throw Error(Errc::invalid_argument,
                        fmt::format("{}: its value {} is '{}', and {} is needed", statement.name,
                                    i + 1, values[i], missed));
        }
    }

    void run(const StatementText& statement, const std::vector<std::string>& values,
             ExplainedPlan& plan) {
        const auto run = prepare(statement.sqlite, statement.name);
        int index = 0;
        for (const std::string& value : values) bind(run.get(), ++index, value);
        while (step(run.get(), statement.name)) ++plan.rows;
        plan.is_analyzed = true;
        const auto counted = [&](int what) {
            return static_cast<std::uint64_t>(sqlite3_stmt_status(run.get(), what, 0));
        };
        plan.scanned = counted(SQLITE_STMTSTATUS_FULLSCAN_STEP);
        plan.program = {counted(SQLITE_STMTSTATUS_VM_STEP), counted(SQLITE_STMTSTATUS_SORT),
                        counted(SQLITE_STMTSTATUS_AUTOINDEX)};
    }

    // A whole number is bound as one: unlike a column, a comparison with a text is never true.
    static void bind(sqlite3_stmt* statement, int index, const std::string& value) {
        std::int64_t number = 0;
        const auto [end, failure] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (failure == std::errc() && end == value.data() + value.size()) {
            sqlite3_bind_int64(statement, index, number);
        } else {
            sqlite3_bind_text64(statement, index, value.data(), value.size(), SQLITE_STATIC,
                                SQLITE_UTF8);
        }
    }

    StatementHandle prepare(const std::string& sql, std::string_view name) {
        sqlite3_stmt* statement = nullptr;
        const int code = sqlite3_prepare_v2(handle_->db(), sql.c_str(), -1, &statement, nullptr);
        if (code != SQLITE_OK) throw sqlite::error_of(code, handle_->db(), name, file_.path);
        return StatementHandle(statement);
    }
    bool step(sqlite3_stmt* statement, std::string_view name) {
        const int code = sqlite3_step(statement);
        if (code == SQLITE_ROW || code == SQLITE_DONE) return code == SQLITE_ROW;
        throw sqlite::error_of(code, handle_->db(), name, file_.path);
    }
    static std::string text(sqlite3_stmt* statement, int column) {
        const auto* data = sqlite3_column_text(statement, column);
        return data == nullptr ? std::string() : reinterpret_cast<const char*>(data);
    }
    std::uint64_t number(const char* pragma) {
        return static_cast<std::uint64_t>(handle_->integer(pragma).value_or(0));
    }

    sqlite::FileOptions file_;
    std::unique_ptr<Handle> handle_;
};

}  // namespace

std::unique_ptr<Inspection> internal::open_sqlite_inspection(const DatabaseOptions& options) {
    return std::make_unique<SqliteInspection>(options);
}

}  // namespace loadstone::store
