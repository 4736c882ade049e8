#pragma once
// RequestReader: bytes in, requests out, without I/O: the buffer of a connection, the head and the
// body of the request at its front, and what is pipelined behind it.
//
//     start -> read_head* -> begin_body -> read_body* -> finish -> start ...
//
// Whoever gets need_more fills space(), says so with commit(), and asks again. After `failed` the
// rest of the input has no meaning. Views (of head and body) are valid from the step's `done` to
// finish(): reading the body moves nothing.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/byte_buffer.h"
#include "loadstone/net/internal/chunk_decoder.h"
#include "loadstone/net/internal/header_parser.h"

namespace loadstone::net::internal {

class RequestReader {
public:
    enum class Step : std::uint8_t { need_more, done, failed };

    // `limits` must outlive it.
    explicit RequestReader(const HttpLimits& limits);

    // Never empty where a step said need_more.
    std::span<char> space();
    void commit(std::size_t bytes) noexcept;

    // Has nothing come of the next request yet?
    bool is_empty() const noexcept { return begin_ == end_; }

    Step read_head();
    const Head& head() const noexcept { return parser_.head(); }
    const char* head_bytes() const noexcept { return data_.get() + begin_; }

    // Fails, with 413, if the body says that it is larger.
    Step begin_body(std::size_t bytes_max);
    Step read_body();
    bool is_body_begun() const noexcept { return is_body_open_ || kind_ != BodyKind::none; }
    // Was a body begun that is not here to its end?
    bool is_body_open() const noexcept { return is_body_open_; }
    std::string_view body() const noexcept;

    // Of the request at the front, with its framing.
    std::size_t bytes() const noexcept { return head_size() + body_raw_bytes_; }
    const HttpFailure& failure() const noexcept { return failure_; }
    void finish();

private:
    enum class BodyKind : std::uint8_t { none, in_place, apart, chunked };

    // The least room behind a head with a body, so that views stay where they are.
    static constexpr std::size_t tail_min = 4096;
    // While the connection is idle: ten thousand of them are many.
    static constexpr std::size_t kept_max = 8 * 1024;

    std::size_t head_size() const noexcept { return head_done_ ? parser_.head().bytes : 0; }
    std::size_t body_begin() const noexcept { return begin_ + parser_.head().bytes; }
    Step fail(HttpFailure failure);
    // Puts the bytes at the front of a buffer of at least `capacity`.
    void move_to_front(std::size_t capacity);

    const HttpLimits& limits_;
    HeaderParser parser_;
    ChunkDecoder chunks_;
    std::unique_ptr<char[]> data_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;  // of the request at the front
    std::size_t end_ = 0;
    bool empty_line_ignored_ = false;  // before this request
    bool started_ = false;             // the parser is at this request
    bool head_done_ = false;
    bool is_body_open_ = false;
    BodyKind kind_ = BodyKind::none;
    std::size_t body_bytes_ = 0;      // none, in_place, apart: how long it is
    std::size_t body_raw_bytes_ = 0;  // read so far, with its framing
    ByteBuffer body_;                 // apart, chunked
    HttpFailure failure_;
};

}  // namespace loadstone::net::internal
