#pragma once
// What the server and the process of the column store say to each other over a Unix socket: frames
// of a length (4 bytes, little-endian), a kind (1 byte) and a body of `length` - 1 bytes. The
// server asks, one question at a time on a connection; every question is answered by frames of
// which the last is `done` or `failed`.
//
//   hello, or hello(position, as_of)                       -> done(state)
//   apply(from, to, history, as_of, schemas, rows)         -> done(state)
//   replace(position, schema, key, from, end, rows)        -> done(state)
//   declare(rollups: for each fact, schema, name, columns) -> done(state)
//   query(text, values, deadline_ms, rows_max, bytes_max)  -> columns rows* done(state)
//   export(name, text, values, deadline_ms, -, bytes_max)  -> columns rows done(state)
//
// where state is store, position, history, as_of, failed merges (store_state.h).
//
// A process of its own that writes one file (file_process.h) is told and answers, on one
// connection:
//
//   write_file(deadline_ms, bytes_max, columns) rows* done -> rows(rows, bytes) done
//
// A query ends when its deadline passes, or when its asker hangs up.

#include <cstdint>
#include <string>
#include <string_view>

#include "loadstone/analytics/internal/store_state.h"
#include "loadstone/analytics/internal/wire.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

enum class FrameKind : std::uint8_t {
    hello = 1,
    apply,
    query,
    columns,
    rows,
    done,
    failed,
    replace,
    export_file,
    write_file,
    declare
};

inline constexpr std::size_t frame_bytes_max = 64U << 20U;
inline constexpr std::size_t frame_head_bytes = 5;

struct Frame {
    FrameKind kind = FrameKind::hello;
    std::string body;
};

void append(WireWriter& to, const Position& position);
Position read_position(WireReader& from);
// The body of `done`; its epoch is none of it.
std::string to_body(const StoreState& state);
StoreState state_from(std::string_view body);

std::string to_body(const Error& error);
Error error_from(std::string_view body);

// Blocking, with a bound on time for each; the descriptor is a stream socket. Errors: unavailable
// if the other end has gone, deadline_exceeded, data_loss for a frame that is too long.
void send_frame(int fd, FrameKind kind, std::string_view body, int timeout_ms);
Frame receive_frame(int fd, int timeout_ms);

}  // namespace loadstone::analytics::internal
