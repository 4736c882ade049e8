#include "loadstone/analytics/duckdb/export.h"

#include <cstring>
#include <filesystem>
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

// The next chunk of a result, vector by vector.
idx_t next_rows(duckdb_result& result, const std::vector<duckdb_type>& types,
                duckdb_data_chunk out) {
    const Chunk chunk(duckdb_fetch_chunk(result));
    const char* said = duckdb_result_error(&result);
    if (said != nullptr) throw error_of(duckdb_result_error_type(&result), said);
    const idx_t rows = chunk.handle == nullptr ? 0 : duckdb_data_chunk_get_size(chunk.handle);
    for (idx_t i = 0; rows > 0 && i < types.size(); ++i)
        copy_vector(duckdb_data_chunk_get_vector(chunk.handle, i),
                    duckdb_data_chunk_get_vector(out, i), types[i], rows);
    return rows;
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

void send_result(int fd, const WrittenFile& written) {
    const std::vector<Column> columns{{"rows", ColumnType::integer, false},
                                      {"bytes", ColumnType::integer, false}};
    send_frame(fd, FrameKind::columns, to_text(columns), send_timeout_ms);
    send_frame(fd, FrameKind::rows, to_body(written), send_timeout_ms);
}

}  // namespace

std::string to_body(const WrittenFile& written) {
    std::string row;
    WireWriter to(row);
    to.integer(written.rows);
    to.integer(written.bytes);
    return row;
}

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
    const auto bytes_max = static_cast<std::uintmax_t>(from.integer());
    internal::require_export_name(name);
    File file(options.folder + "/" + name);
    FileWriter writer(options.memory_mb);
    const Watch::Guard reading(watch, on.handle, fd, deadline);
    const Watch::Guard writing(watch, writer.connection().handle, fd, deadline);
    WrittenFile written;
    try {
        Statement statement;
        run_statement(on, text, from, statement);
        RowSource source;
        for (idx_t i = 0; i < duckdb_column_count(&statement.result); ++i) {
            source.names.emplace_back(duckdb_column_name(&statement.result, i));
            source.types.push_back(duckdb_column_type(&statement.result, i));
            column_type(source.types.back(), source.names.back().c_str());
        }
        source.next = [&](duckdb_data_chunk out) {
            return next_rows(statement.result, source.types, out);
        };
        written = writer.write(source, file.path(), bytes_max, name.ends_with(".parquet"));
    } catch (const Error& error) {
        if (error.code() == Errc::cancelled && reading.deadline_has_passed())
            throw Error(Errc::deadline_exceeded, "the export was interrupted at its deadline");
        throw;
    }
    send_result(fd, written);
    file.keep();
}

}  // namespace loadstone::analytics::duckdb
