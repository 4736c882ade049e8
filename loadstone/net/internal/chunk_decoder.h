#pragma once
// ChunkDecoder: the chunked transfer coding (RFC 9112 7.1), byte by byte, as strict as the
// grammar: CRLF only, no space around the size. Extensions and trailers are checked, bounded and
// dropped. Not Beast's: that one waits for the end of the trailers before it rejects a bad last
// chunk, and takes a bare LF inside a quoted extension.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loadstone/net/internal/byte_buffer.h"
#include "loadstone/net/internal/failure.h"

namespace loadstone::net::internal {

class ChunkDecoder {
public:
    enum class Step : std::uint8_t { need_more, done, failed };

    static constexpr std::size_t extension_bytes_max = 4096;  // of all chunks together
    static constexpr std::size_t trailer_bytes_max = 4096;

    void start(std::size_t body_bytes_max);
    // Appends what `raw` holds of the body to `body`. `used` is how many bytes of `raw` belong to
    // the coding: all of them unless done.
    Step feed(std::string_view raw, std::size_t& used, ByteBuffer& body);
    const HttpFailure& failure() const noexcept { return failure_; }

private:
    enum class State : std::uint8_t {
        size_first,
        size,
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_first,
        trailer_name,
        trailer_value,
        trailer_lf,
        last_lf,
        done,
    };

    Step fail(int status, std::string detail);
    Step feed_one(char c);
    Step begin_chunk();

    State state_ = State::size_first;
    int digits_ = 0;
    std::uint64_t chunk_left_ = 0;
    std::size_t body_bytes_ = 0;  // of chunks announced so far
    std::size_t body_bytes_max_ = 0;
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
    HttpFailure failure_;
};

}  // namespace loadstone::net::internal
