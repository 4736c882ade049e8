#include "loadstone/analytics/duckdb/file_writer.h"

#include <fmt/core.h>

#include <filesystem>
#include <optional>

namespace loadstone::analytics::duckdb {

namespace {

// What the table function of the writer gives.
struct Reading {
    const RowSource& source;
    const std::string& path;
    const std::uintmax_t bytes_max;
    std::int64_t rows = 0;
    std::optional<Error> failed{};
};

void bind_source(duckdb_bind_info info) {
    const auto& reading = *static_cast<Reading*>(duckdb_bind_get_extra_info(info));
    for (std::size_t i = 0; i < reading.source.types.size(); ++i) {
        duckdb_logical_type type = duckdb_create_logical_type(reading.source.types[i]);
        duckdb_bind_add_result_column(info, reading.source.names[i].c_str(), type);
        duckdb_destroy_logical_type(&type);
    }
}

void begin_source(duckdb_init_info) {}

void require_room(const Reading& reading) {
    std::error_code failed;
    const auto bytes = std::filesystem::file_size(reading.path, failed);
    if (!failed && bytes > reading.bytes_max)
        throw Error(Errc::resource_exhausted,
                    fmt::format("the file has more than {} bytes", reading.bytes_max));
}

// Called on one thread, chunk by chunk; an empty one is the end.
void read_source(duckdb_function_info info, duckdb_data_chunk out) {
    auto& reading = *static_cast<Reading*>(duckdb_function_get_extra_info(info));
    try {
        const idx_t rows = reading.source.next(out);
        duckdb_data_chunk_set_size(out, rows);
        reading.rows += static_cast<std::int64_t>(rows);
        require_room(reading);
    } catch (const std::exception&) {
        reading.failed = error_from_exception(std::current_exception());
        duckdb_function_set_error(info, reading.failed->message().c_str());
    }
}

void register_source(Connection& on, Reading& reading) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "rows_that_come");
    duckdb_table_function_set_extra_info(function, &reading, nullptr);
    duckdb_table_function_set_bind(function, bind_source);
    duckdb_table_function_set_init(function, begin_source);
    duckdb_table_function_set_function(function, read_source);
    const duckdb_state state = duckdb_register_table_function(on.handle, function);
    duckdb_destroy_table_function(&function);
    if (state == DuckDBError) throw Error(Errc::internal, "an export could not be begun");
}

}  // namespace

FileWriter::InMemory::InMemory(int memory_mb) {
    duckdb_config config = nullptr;
    duckdb_create_config(&config);
    const std::string memory = fmt::format("{}MB", memory_mb);
    duckdb_set_config(config, "memory_limit", memory.c_str());
    duckdb_set_config(config, "threads", "1");
    duckdb_set_config(config, "autoinstall_known_extensions", "false");
    duckdb_set_config(config, "autoload_known_extensions", "false");
    const bool is_open = duckdb_open_ext(nullptr, &handle, config, nullptr) == DuckDBSuccess;
    duckdb_destroy_config(&config);
    if (!is_open) throw Error(Errc::resource_exhausted, "there is no memory for an export");
}

WrittenFile FileWriter::write(const RowSource& source, const std::string& path,
                              std::uintmax_t bytes_max, bool is_parquet) {
    Reading reading{.source = source, .path = path, .bytes_max = bytes_max};
    register_source(connection_, reading);
    // A quote in it is doubled, as SQL has it.
    std::string quoted;
    for (const char c : path) quoted += c == '\'' ? "''" : std::string(1, c);
    try {
        connection_.run(fmt::format("COPY (SELECT * FROM rows_that_come()) TO '{}' ({})", quoted,
                                    is_parquet
                                        ? "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
                                        : "FORMAT csv, HEADER, USE_TMP_FILE false"));
        require_room(reading);
    } catch (const Error& error) {
        if (reading.failed) throw Error(*reading.failed);
        if (error.code() == Errc::internal)  // the disk
            throw Error(Errc::unavailable, error.message());
        throw;
    }
    return {reading.rows, static_cast<std::int64_t>(std::filesystem::file_size(path))};
}

}  // namespace loadstone::analytics::duckdb
