#include "loadstone/analytics/internal/file_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "loadstone/analytics/internal/row_bytes.h"

namespace loadstone::analytics::internal {

namespace {

constexpr std::size_t piece_bytes = 8U << 20U;  // of rows in a frame, but for the last row
constexpr int last_words_ms = 1'000;

// The rows at the beginning that make a piece.
std::string_view piece_of(std::string_view rows, const std::vector<Column>& columns) {
    if (rows.size() <= piece_bytes) return rows;
    WireReader from(rows);
    while (rows.size() - from.left() < piece_bytes) {
        for (const Column& column : columns) read_cell(from, column);
    }
    return rows.substr(0, rows.size() - from.left());
}

}  // namespace

FileProcess::FileProcess(const Options& options, int file, std::int64_t bytes_max,
                         Clock::time_point end)
    : child_(spawn_duckdb(options, {"--write", fmt::to_string(std::max(1, options.memory_mb / 2))},
                          file)),
      bytes_max_(bytes_max),
      end_(end) {}

FileProcess::~FileProcess() {
    ::close(child_.socket);
    ::kill(child_.pid, SIGKILL);  // whatever it has written is this process's file
    ::waitpid(child_.pid, nullptr, 0);
}

int FileProcess::left_ms() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 86'400'000));
}

// One that has failed has said why, and takes nothing any more.
void FileProcess::send(FrameKind kind, std::string_view body) {
    try {
        send_frame(child_.socket, kind, body, left_ms());
    } catch (const Error& error) {
        if (error.code() != Errc::unavailable) throw;
        const Frame frame = receive_frame(child_.socket, last_words_ms);
        if (frame.kind == FrameKind::failed) throw Error(error_from(frame.body));
        throw;
    }
}

void FileProcess::begin(const std::vector<Column>& columns) {
    columns_ = columns;
    std::string body;
    WireWriter to(body);
    to.integer(left_ms());
    to.integer(bytes_max_);
    to.integer(std::ssize(columns));
    for (const Column& column : columns) {
        to.text(column.name);
        to.byte(static_cast<std::uint8_t>(column.type));
        to.byte(column.is_nullable ? 1 : 0);
    }
    send(FrameKind::write_file, body);
}

void FileProcess::append(std::string_view rows) {
    while (!rows.empty()) {
        const std::string_view piece = piece_of(rows, columns_);
        send(FrameKind::rows, piece);
        rows.remove_prefix(piece.size());
    }
}

FileProcess::Written FileProcess::finish() {
    send(FrameKind::done, {});
    Written written;
    for (;;) {
        const Frame frame = receive_frame(child_.socket, left_ms());
        if (frame.kind == FrameKind::failed) throw Error(error_from(frame.body));
        if (frame.kind == FrameKind::done) return written;
        if (frame.kind != FrameKind::rows)
            throw Error(Errc::data_loss, "the writer of a file answered with a question");
        WireReader from(frame.body);
        written.rows = from.integer();
        written.bytes = from.integer();
    }
}

void FileProcess::stop() noexcept { ::shutdown(child_.socket, SHUT_RDWR); }

}  // namespace loadstone::analytics::internal
