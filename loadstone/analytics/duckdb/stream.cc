#include "loadstone/analytics/duckdb/stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "loadstone/analytics/duckdb/export.h"
#include "loadstone/analytics/duckdb/file_writer.h"
#include "loadstone/analytics/internal/protocol.h"
#include "loadstone/analytics/internal/row_bytes.h"

namespace loadstone::analytics::duckdb {

using internal::Cell;
using internal::Frame;
using internal::FrameKind;
using internal::WireReader;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr int first_words_ms = 24 * 3'600'000;  // the question is answered first
constexpr int send_timeout_ms = 30'000;

duckdb_type type_of(ColumnType type) {
    switch (type) {
        case ColumnType::boolean: return DUCKDB_TYPE_BOOLEAN;
        case ColumnType::integer: return DUCKDB_TYPE_BIGINT;
        case ColumnType::real: return DUCKDB_TYPE_DOUBLE;
        case ColumnType::text: return DUCKDB_TYPE_VARCHAR;
        case ColumnType::timestamp: return DUCKDB_TYPE_TIMESTAMP;
    }
    throw Error(Errc::data_loss, "a column of an unknown type");
}

// One column of a chunk.
class Target {
public:
    Target(duckdb_vector vector, ColumnType type)
        : vector_(vector), type_(type), data_(duckdb_vector_get_data(vector)) {}

    void put(idx_t row, const Cell& cell) {
        if (cell.is_null) {
            duckdb_vector_ensure_validity_writable(vector_);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector_), row);
            return;
        }
        switch (type_) {
            case ColumnType::boolean: at<bool>(row) = cell.integer != 0; break;
            case ColumnType::integer:
            case ColumnType::timestamp: at<std::int64_t>(row) = cell.integer; break;
            case ColumnType::real: at<double>(row) = cell.real; break;
            case ColumnType::text:
                duckdb_vector_assign_string_element_len(vector_, row, cell.text.data(),
                                                        cell.text.size());
                break;
        }
    }

private:
    template <class T>
    T& at(idx_t row) {
        return static_cast<T*>(data_)[row];
    }

    duckdb_vector vector_;
    ColumnType type_;
    void* data_;
};

class Stream {
public:
    explicit Stream(int fd) : fd_(fd) {
        const Frame frame = internal::receive_frame(fd, first_words_ms);
        if (frame.kind != FrameKind::write_file)
            throw Error(Errc::data_loss, "a file begins with its columns");
        WireReader from(frame.body);
        end_ = steady_clock::now() + milliseconds(from.integer());
        bytes_max_ = static_cast<std::uintmax_t>(from.integer());
        for (std::int64_t count = from.integer(); count > 0; --count) {
            Column& column = columns_.emplace_back();
            column.name = from.text();
            column.type = static_cast<ColumnType>(from.byte());
            column.is_nullable = from.byte() != 0;
        }
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    WrittenFile write(const std::string& path, int memory_mb) {
        FileWriter writer(memory_mb);
        RowSource source;
        for (const Column& column : columns_) {
            source.names.push_back(column.name);
            source.types.push_back(type_of(column.type));
        }
        source.next = [this](duckdb_data_chunk out) { return next_rows(out); };
        return writer.write(source, path, bytes_max_, true);
    }

private:
    // False: there are no more.
    bool has_rows() {
        while (!is_over_ && rows_.at_end()) {
            const auto left = std::chrono::ceil<milliseconds>(end_ - steady_clock::now());
            frame_ = internal::receive_frame(fd_, static_cast<int>(left.count()));
            is_over_ = frame_.kind == FrameKind::done;
            if (!is_over_ && frame_.kind != FrameKind::rows)
                throw Error(Errc::data_loss, "a file is made of rows");
            rows_ = WireReader(frame_.body);
        }
        return !is_over_;
    }
    idx_t next_rows(duckdb_data_chunk out) {
        std::vector<Target> targets;
        for (std::size_t i = 0; i < columns_.size(); ++i)
            targets.emplace_back(duckdb_data_chunk_get_vector(out, i), columns_[i].type);
        idx_t row = 0;
        for (; row < duckdb_vector_size() && has_rows(); ++row) {
            for (std::size_t i = 0; i < columns_.size(); ++i)
                targets[i].put(row, internal::read_cell(rows_, columns_[i]));
        }
        return row;
    }

    const int fd_;
    steady_clock::time_point end_;
    std::uintmax_t bytes_max_ = 0;
    std::vector<Column> columns_;
    Frame frame_;
    WireReader rows_{{}};
    bool is_over_ = false;
};

}  // namespace

void write_stream(int fd, const std::string& path, int memory_mb) {
    try {
        Stream stream(fd);
        const WrittenFile written = stream.write(path, memory_mb);
        send_frame(fd, FrameKind::rows, to_body(written), send_timeout_ms);
        send_frame(fd, FrameKind::done, {}, send_timeout_ms);
    } catch (const std::exception&) {
        const Error error = error_from_exception(std::current_exception());
        // Who sends more fails at once, and finds this.
        send_frame(fd, FrameKind::failed, internal::to_body(error), send_timeout_ms);
        ::shutdown(fd, SHUT_RD);
    }
}

}  // namespace loadstone::analytics::duckdb
