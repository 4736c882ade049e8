#include "loadstone/analytics/duckdb/export.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "loadstone/analytics/duckdb/statement.h"
#include "loadstone/analytics/internal/export_name.h"

namespace loadstone::analytics::duckdb {

using internal::FrameKind;
using internal::WireReader;
using internal::WireWriter;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr int send_timeout_ms = 30'000;

// The second DuckDB.
class Writer {
public:
    explicit Writer(const ExportOptions& options) {
        duckdb_config config = nullptr;
        duckdb_create_config(&config);
        const std::string memory = fmt::format("{}MB", options.memory_mb);
        duckdb_set_config(config, "memory_limit", memory.c_str());
        duckdb_set_config(config, "threads", "1");
        duckdb_set_config(config, "autoinstall_known_extensions", "false");
        duckdb_set_config(config, "autoload_known_extensions", "false");
        const bool is_open = duckdb_open_ext(nullptr, &database_, config, nullptr) == DuckDBSuccess;
        duckdb_destroy_config(&config);
        if (!is_open) throw Error(Errc::resource_exhausted, "there is no memory for an export");
        connection_.emplace(database_);
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() {
        connection_.reset();
        duckdb_close(&database_);
    }
    Connection& connection() { return *connection_; }

private:
    duckdb_database database_ = nullptr;
    std::optional<Connection> connection_;
};

// What a table function of the writer gives: the rows of a statement of the store.
struct Source {
    duckdb_result* result = nullptr;
    std::vector<std::string> names{};
    std::vector<duckdb_type> types{};
    std::int64_t rows = 0;
    std::string path{};
    std::uintmax_t bytes_max = 0;
    std::optional<Error> failed{};
};

std::size_t width_of(duckdb_type type) {
    switch (type) {
        case DUCKDB_TYPE_BOOLEAN:
        case DUCKDB_TYPE_TINYINT: return 1;
        case DUCKDB_TYPE_SMALLINT: return 2;
        case DUCKDB_TYPE_INTEGER:
        case DUCKDB_TYPE_UINTEGER:
        case DUCKDB_TYPE_DATE:
        case DUCKDB_TYPE_FLOAT: return 4;
        case DUCKDB_TYPE_HUGEINT: return 16;
        default: return 8;
    }
}

void copy_vector(duckdb_vector from, duckdb_vector to, duckdb_type type, idx_t rows) {
    std::uint64_t* valid = duckdb_vector_get_validity(from);
    std::uint64_t* own = nullptr;
    if (valid != nullptr) {
        duckdb_vector_ensure_validity_writable(to);
        own = duckdb_vector_get_validity(to);
        for (idx_t row = 0; row < rows; ++row)
            duckdb_validity_set_row_validity(own, row, duckdb_validity_row_is_valid(valid, row));
    }
    if (type != DUCKDB_TYPE_VARCHAR) {
        std::memcpy(duckdb_vector_get_data(to), duckdb_vector_get_data(from),
                    width_of(type) * rows);
        return;
    }
    auto* texts = static_cast<duckdb_string_t*>(duckdb_vector_get_data(from));
    for (idx_t row = 0; row < rows; ++row) {
        if (valid != nullptr && !duckdb_validity_row_is_valid(valid, row)) continue;
        duckdb_vector_assign_string_element_len(to, row, duckdb_string_t_data(&texts[row]),
                                                duckdb_string_t_length(texts[row]));
    }
}

void bind_source(duckdb_bind_info info) {
    const auto& source = *static_cast<Source*>(duckdb_bind_get_extra_info(info));
    for (std::size_t i = 0; i < source.types.size(); ++i) {
        duckdb_logical_type type = duckdb_create_logical_type(source.types[i]);
        duckdb_bind_add_result_column(info, source.names[i].c_str(), type);
        duckdb_destroy_logical_type(&type);
    }
}

void begin_source(duckdb_init_info) {}

void require_room(const Source& source) {
    std::error_code failed;
    const auto bytes = std::filesystem::file_size(source.path, failed);
    if (!failed && bytes > source.bytes_max)
        throw Error(Errc::resource_exhausted,
                    fmt::format("the file has more than {} bytes", source.bytes_max));
}

// Called on one thread, chunk by chunk; an empty one is the end.
void read_source(duckdb_function_info info, duckdb_data_chunk out) {
    auto& source = *static_cast<Source*>(duckdb_function_get_extra_info(info));
    try {
        const Chunk chunk(duckdb_fetch_chunk(*source.result));
        const char* said = duckdb_result_error(source.result);
        if (said != nullptr) throw error_of(duckdb_result_error_type(source.result), said);
        const idx_t rows = chunk.handle == nullptr ? 0 : duckdb_data_chunk_get_size(chunk.handle);
        for (idx_t i = 0; rows > 0 && i < source.types.size(); ++i)
            copy_vector(duckdb_data_chunk_get_vector(chunk.handle, i),
                        duckdb_data_chunk_get_vector(out, i), source.types[i], rows);
        duckdb_data_chunk_set_size(out, rows);
        source.rows += static_cast<std::int64_t>(rows);
        require_room(source);
    } catch (const std::exception&) {
        source.failed = error_from_exception(std::current_exception());
        duckdb_function_set_error(info, source.failed->message().c_str());
    }
}

void register_source(Connection& on, Source& source) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "rows_of_store");
    duckdb_table_function_set_extra_info(function, &source, nullptr);
    duckdb_table_function_set_bind(function, bind_source);
    duckdb_table_function_set_init(function, begin_source);
    duckdb_table_function_set_function(function, read_source);
    const duckdb_state state = duckdb_register_table_function(on.handle, function);
    duckdb_destroy_table_function(&function);
    if (state == DuckDBError) throw Error(Errc::internal, "an export could not be begun");
}

// The file that is written; gone unless it is kept.
class File {
public:
    explicit File(std::string path) : path_(std::move(path)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        std::error_code failed;
        if (!is_kept_) std::filesystem::remove(path_, failed);
    }
    const std::string& path() const noexcept { return path_; }
    void keep() noexcept { is_kept_ = true; }

private:
    const std::string path_;
    bool is_kept_ = false;
};

void send_result(int fd, const Source& source) {
    const std::vector<Column> columns{{"rows", ColumnType::integer, false},
                                      {"bytes", ColumnType::integer, false}};
    send_frame(fd, FrameKind::columns, to_text(columns), send_timeout_ms);
    std::string row;
    WireWriter to(row);
    to.integer(source.rows);
    to.integer(static_cast<std::int64_t>(std::filesystem::file_size(source.path)));
    send_frame(fd, FrameKind::rows, row, send_timeout_ms);
}

void write_file(Writer& writer, Source& source, bool is_parquet) {
    // The folder is the process's own; a quote in it is doubled, as SQL has it.
    std::string path;
    for (const char c : source.path) path += c == '\'' ? "''" : std::string(1, c);
    try {
        writer.connection().run(
            fmt::format("COPY (SELECT * FROM rows_of_store()) TO '{}' ({})", path,
                        is_parquet ? "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
                                   : "FORMAT csv, HEADER, USE_TMP_FILE false"));
        require_room(source);
    } catch (const Error& error) {
        if (source.failed) throw Error(*source.failed);
        if (error.code() == Errc::internal)  // the disk
            throw Error(Errc::unavailable, error.message());
        throw;
    }
}

}  // namespace

void clear_exports(const ExportOptions& options) {
    std::filesystem::remove_all(options.folder);
    std::filesystem::create_directories(options.folder);
}

void run_export(Connection& on, const ExportOptions& options, Watch& watch, int fd,
                std::string_view body) {
    WireReader from(body);
    const std::string name(from.text());
    const std::string_view text = from.text();
    const auto deadline = steady_clock::now() + milliseconds(from.integer());
    from.integer();  // rows: the file bounds them
    Source source;
    source.bytes_max = static_cast<std::uintmax_t>(from.integer());
    internal::require_export_name(name);
    File file(options.folder + "/" + name);
    source.path = file.path();
    Writer writer(options);
    const Watch::Guard reading(watch, on.handle, fd, deadline);
    const Watch::Guard writing(watch, writer.connection().handle, fd, deadline);
    try {
        Statement statement;
        run_statement(on, text, from, statement);
        source.result = &statement.result;
        for (idx_t i = 0; i < duckdb_column_count(&statement.result); ++i) {
            source.names.emplace_back(duckdb_column_name(&statement.result, i));
            source.types.push_back(duckdb_column_type(&statement.result, i));
            column_type(source.types.back(), source.names.back().c_str());
        }
        register_source(writer.connection(), source);
        write_file(writer, source, name.ends_with(".parquet"));
    } catch (const Error& error) {
        if (error.code() == Errc::cancelled && reading.deadline_has_passed())
            throw Error(Errc::deadline_exceeded, "the export was interrupted at its deadline");
        throw;
    }
    send_result(fd, source);
    file.keep();
}

}  // namespace loadstone::analytics::duckdb
