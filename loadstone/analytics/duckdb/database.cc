#include "loadstone/analytics/duckdb/database.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "loadstone/analytics/duckdb/rollups.h"
#include "loadstone/analytics/internal/rollup_sql.h"
#include "loadstone/analytics/internal/row_bytes.h"

namespace loadstone::analytics::duckdb {

using internal::Cell;
using internal::quoted;
using internal::WireReader;

namespace {

constexpr std::size_t schemas_max = 4'096;   // of one batch
constexpr std::int64_t rollups_max = 4'096;  // of one declaration

const char* sql_type(ColumnType type) {
    switch (type) {
        case ColumnType::boolean: return "BOOLEAN";
        case ColumnType::integer: return "BIGINT";
        case ColumnType::real: return "DOUBLE";
        case ColumnType::text: return "VARCHAR";
        case ColumnType::timestamp: return "TIMESTAMP";
    }
    return "";
}

ColumnType type_of(std::string_view sql_type) {
    if (sql_type == "BOOLEAN") return ColumnType::boolean;
    if (sql_type == "DOUBLE") return ColumnType::real;
    if (sql_type == "VARCHAR") return ColumnType::text;
    if (sql_type == "TIMESTAMP") return ColumnType::timestamp;
    return ColumnType::integer;
}

std::string text_of(const Position& at) { return fmt::format("{} {} {}", at.low, at.high, at.seq); }

// A table of its own for the facts of one batch, of which rollups take their part.
std::string batch_of(const std::string& fact) { return "loadstone_batch_" + fact; }

void append(duckdb_appender to, const Cell& cell, ColumnType type) {
    if (cell.is_null) {
        duckdb_append_null(to);
        return;
    }
    switch (type) {
        case ColumnType::boolean: duckdb_append_bool(to, cell.integer != 0); break;
        case ColumnType::integer: duckdb_append_int64(to, cell.integer); break;
        case ColumnType::real: duckdb_append_double(to, cell.real); break;
        case ColumnType::text:
            duckdb_append_varchar_length(to, cell.text.data(), cell.text.size());
            break;
        case ColumnType::timestamp: duckdb_append_timestamp(to, {cell.integer}); break;
    }
}

}  // namespace

// Where the rows of one schema go: an appender of its table or of its batch's, and for each column
// of the table the place of its value in a row.
struct Database::Target {
    Target(Connection& writer, const Schema& of, const std::vector<Column>& table, bool is_batch)
        : schema(of) {
        const std::string into = is_batch ? batch_of(schema.fact) : schema.fact;
        if (duckdb_appender_create_ext(writer.handle, is_batch ? "temp" : nullptr, nullptr,
                                       into.c_str(), &appender) == DuckDBError) {
            const Error error(Errc::internal, said());
            duckdb_appender_destroy(&appender);
            throw Error(error);
        }
        for (const Column& column : table) {
            const auto at = std::ranges::find(schema.columns, column.name, &Column::name);
            from.push_back(at == schema.columns.end() ? -1 : at - schema.columns.begin());
        }
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;
    ~Target() { duckdb_appender_destroy(&appender); }

    std::string said() {
        const char* message = duckdb_appender_error(appender);
        return message == nullptr ? "the appender gave no reason" : message;
    }
    void append_row(std::string_view bytes) {
        WireReader reader(bytes);
        cells.clear();
        for (const Column& column : schema.columns) cells.push_back(read_cell(reader, column));
        if (!reader.at_end())
            throw Error(Errc::data_loss,
                        fmt::format("a fact of {} is longer than its columns", schema.fact));
        for (const std::ptrdiff_t at : from) {
            if (at < 0)
                duckdb_append_null(appender);
            else
                append(appender, cells[static_cast<std::size_t>(at)],
                       schema.columns[static_cast<std::size_t>(at)].type);
        }
        if (duckdb_appender_end_row(appender) == DuckDBError) throw Error(Errc::internal, said());
    }
    void flush() {
        if (duckdb_appender_flush(appender) == DuckDBError) throw Error(Errc::internal, said());
    }

    const Schema schema;
    duckdb_appender appender = nullptr;
    std::vector<std::ptrdiff_t> from;
    std::vector<Cell> cells;  // kept, so that a row allocates nothing
};

Database::Database(const DatabaseOptions& options) {
    duckdb_config config = nullptr;
    duckdb_create_config(&config);
    const std::pair<const char*, std::string> settings[] = {
        {"memory_limit", fmt::format("{}MB", options.memory_mb)},
        {"threads", fmt::format("{}", options.threads)},
        {"temp_directory", options.temporary},
        {"max_temp_directory_size", fmt::format("{}MB", options.temporary_mb)},
        {"preserve_insertion_order", "false"},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
    };
    bool is_good = true;
    for (const auto& [name, value] : settings)
        is_good = duckdb_set_config(config, name, value.c_str()) == DuckDBSuccess && is_good;
    char* said = nullptr;
    const bool is_open =
        is_good && duckdb_open_ext(options.file.c_str(), &handle_, config, &said) == DuckDBSuccess;
    const std::string why = said == nullptr ? "a setting was refused" : said;
    duckdb_free(said);
    duckdb_destroy_config(&config);
    if (!is_open)
        throw Error(Errc::unavailable, fmt::format("{} cannot be opened: {}", options.file, why));
    writer_ = connect();
    // From here on no statement reads or writes files, or changes a setting.
    writer_->run("SET enable_external_access = false");
    writer_->run("SET lock_configuration = true");
    open_state(options.rollup_recent_rows);
}

Database::~Database() {
    rollups_.reset();
    writer_.reset();
    duckdb_close(&handle_);
}

void Database::open_state(std::int64_t rollup_recent_rows) {
    writer_->run(
        "CREATE TABLE IF NOT EXISTS loadstone_position (store VARCHAR NOT NULL, low BIGINT NOT "
        "NULL, high BIGINT NOT NULL, seq BIGINT NOT NULL, as_of BIGINT NOT NULL)");
    writer_->run(
        "ALTER TABLE loadstone_position ADD COLUMN IF NOT EXISTS history BIGINT DEFAULT 0");
    writer_->run(
        "INSERT INTO loadstone_position (store, low, high, seq, as_of) SELECT uuid()::VARCHAR, 0, "
        "0, 0, 0 WHERE NOT EXISTS "
        "(SELECT 1 FROM loadstone_position)");
    Result row;
    query(*writer_, "SELECT store, low, high, seq, as_of, history FROM loadstone_position", row);
    state_.store = row.text(0, 0);
    state_.position.low = row.number(1, 0);
    state_.position.high = row.number(2, 0);
    state_.position.seq = row.number(3, 0);
    state_.as_of = row.number(4, 0);
    state_.history = row.number(5, 0);
    rollups_ = std::make_unique<Rollups>(*writer_, rollup_recent_rows);
    rollups_->open(text_of(state_.position));
}

internal::StoreState Database::state() const {
    const std::lock_guard lock(state_mutex_);
    internal::StoreState now = state_;
    now.failed_merges = rollups_->failed_merges();
    return now;
}

void Database::set_state(const internal::StoreState& next) {
    const std::lock_guard lock(state_mutex_);
    state_ = next;
}

std::vector<Column> Database::columns_of(const std::string& table) {
    Result rows;
    query(*writer_,
          fmt::format("SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = "
                      "'main' AND table_name = '{}' ORDER BY column_index",
                      table),
          rows);
    std::vector<Column> columns;
    for (idx_t i = 0; i < rows.rows(); ++i)
        columns.push_back({rows.text(0, i), type_of(rows.text(1, i)), true});
    return columns;
}

// A column is nullable in the store, whatever it is in the fact: rows of older schemas lack it.
void Database::shape_table(const Schema& schema) {
    const auto table = columns_of(schema.fact);
    if (table.empty()) {
        std::string list;
        for (const Column& column : schema.columns)
            list += fmt::format("{}{} {}", list.empty() ? "" : ", ", quoted(column.name),
                                sql_type(column.type));
        writer_->run(fmt::format("CREATE TABLE {} ({})", quoted(schema.fact), list));
        return;
    }
    for (const Column& column : schema.columns) {
        const auto at = std::ranges::find(table, column.name, &Column::name);
        if (at == table.end()) {
            writer_->run(fmt::format("ALTER TABLE {} ADD COLUMN {} {}", quoted(schema.fact),
                                     quoted(column.name), sql_type(column.type)));
        } else if (at->type != column.type) {
            throw Error(
                Errc::conflict,
                fmt::format("column {} of fact {} was {} and is {}: a column of another "
                            "type needs another name",
                            column.name, schema.fact, sql_type(at->type), sql_type(column.type)));
        }
    }
}

void Database::append_rows(const std::vector<Schema>& schemas, WireReader& rows,
                           FunctionRef<void(const std::string&)> roll_up) {
    // Columns first: an appender does not see those that come later.
    for (const Schema& schema : schemas) shape_table(schema);
    std::set<std::string> rolled_up;
    for (const Schema& schema : schemas) {
        if (rollups_->has_of(schema.fact) && rolled_up.insert(schema.fact).second)
            writer_->run(fmt::format("CREATE OR REPLACE TEMP TABLE {} AS SELECT * FROM {} LIMIT 0",
                                     batch_of(schema.fact), quoted(schema.fact)));
    }
    std::vector<std::unique_ptr<Target>> targets;
    for (const Schema& schema : schemas)
        targets.push_back(std::make_unique<Target>(*writer_, schema, columns_of(schema.fact),
                                                   rolled_up.contains(schema.fact)));
    while (!rows.at_end()) {
        const auto of = static_cast<std::size_t>(rows.integer());
        if (of >= targets.size()) throw Error(Errc::data_loss, "a fact of no schema");
        targets[of]->append_row(rows.text());
    }
    for (const auto& target : targets) target->flush();
    for (const std::string& fact : rolled_up) {
        const std::string batch = batch_of(fact);
        writer_->run(fmt::format("INSERT INTO {} SELECT * FROM {}", quoted(fact), batch));
        roll_up(fact);
        writer_->run("DROP TABLE " + batch);
    }
}

// What a transaction that has failed would have added is counted by no rollup.
void Database::in_transaction(FunctionRef<void()> work) {
    try {
        writer_->in_transaction(work);
    } catch (...) {
        rollups_->count_again();
        throw;
    }
}

void Database::apply(std::string_view body) {
    WireReader from(body);
    const Position begins = internal::read_position(from);
    internal::StoreState next = state();
    next.position = internal::read_position(from);
    next.history = from.integer();
    next.as_of = from.integer();
    if (begins != state().position)
        throw Error(Errc::conflict, "these facts do not begin where the store is");
    const std::int64_t schema_count = from.integer();
    if (schema_count < 0 || schema_count > static_cast<std::int64_t>(schemas_max))
        throw Error(Errc::data_loss, fmt::format("a batch of {} schemas", schema_count));
    std::vector<Schema> schemas;
    for (std::int64_t i = 0; i < schema_count; ++i) {
        std::string fact(from.text());
        schemas.push_back(schema_from(std::move(fact), from.text()));
    }
    auto roll_up = [&](const std::string& fact) { rollups_->add(fact, batch_of(fact)); };
    auto work = [&] {
        append_rows(schemas, from, roll_up);
        rollups_->note(text_of(next.position));
        writer_->run(fmt::format(
            "UPDATE loadstone_position SET low = {}, high = {}, seq = {}, as_of = {}, "
            "history = {}",
            next.position.low, next.position.high, next.position.seq, next.as_of, next.history));
    };
    in_transaction(work);
    set_state(next);
    rollups_->merge_grown();
}

void Database::merge_named(std::string_view text) { rollups_->merge_named(text); }

void Database::declare(std::string_view body) {
    is_confirmed_ = true;
    WireReader from(body);
    const std::int64_t count = from.integer();
    if (count < 0 || count > rollups_max)
        throw Error(Errc::data_loss, fmt::format("a declaration of {} rollups", count));
    std::vector<DeclaredRollup> declared;
    for (std::int64_t i = 0; i < count; ++i) {
        std::string fact(from.text());
        const Schema schema = schema_from(std::move(fact), from.text());
        auto shape = [&] { shape_table(schema); };
        writer_->in_transaction(shape);
        std::string name(from.text());
        declared.push_back({std::move(name), schema.fact, rollup_from(from.text())});
    }
    rollups_->declare(declared);
    rollups_->note(text_of(state().position));
    has_declared_ = true;
}

void Database::replace(std::string_view body) {
    WireReader from(body);
    const Position at = internal::read_position(from);
    if (at != state().position)
        throw Error(Errc::conflict, "the range was read for another position than the store's");
    std::string fact(from.text());
    const std::vector<Schema> schemas{schema_from(std::move(fact), from.text())};
    const std::string key(from.text());
    if (std::ranges::find(schemas[0].columns, key, &Column::name) == schemas[0].columns.end())
        throw Error(Errc::data_loss, fmt::format("{} has no column {}", schemas[0].fact, key));
    const std::int64_t first = from.integer(), end = from.integer();
    auto roll_up = [&](const std::string& fact) {
        rollups_->replace(fact, batch_of(fact), key, first, end);
    };
    auto work = [&] {
        shape_table(schemas[0]);
        writer_->run(fmt::format("DELETE FROM {0} WHERE {1} >= {2} AND {1} < {3}",
                                 quoted(schemas[0].fact), quoted(key), first, end));
        append_rows(schemas, from, roll_up);
    };
    in_transaction(work);
}

void Database::touch(std::string_view body) {
    WireReader from(body);
    const Position position = internal::read_position(from);
    const std::int64_t as_of = from.integer();
    const std::lock_guard lock(state_mutex_);
    if (position == state_.position) state_.as_of = std::max(state_.as_of, as_of);
}

}  // namespace loadstone::analytics::duckdb
