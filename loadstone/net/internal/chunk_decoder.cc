#include "loadstone/net/internal/chunk_decoder.h"

#include <fmt/format.h>

#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

void ChunkDecoder::start(std::size_t body_bytes_max) {
    *this = ChunkDecoder{};
    body_bytes_max_ = body_bytes_max;
}

ChunkDecoder::Step ChunkDecoder::fail(int status, std::string detail) {
    failure_ = HttpFailure{status, std::move(detail)};
    return Step::failed;
}

ChunkDecoder::Step ChunkDecoder::feed(std::string_view raw, std::size_t& used, ByteBuffer& body) {
    used = 0;
    while (used < raw.size()) {
        if (state_ == State::data) {
            const std::size_t count = std::min<std::uint64_t>(chunk_left_, raw.size() - used);
            body.append(raw.substr(used, count));
            used += count;
            chunk_left_ -= count;
            if (chunk_left_ == 0) state_ = State::data_cr;
            continue;
        }
        const Step step = feed_one(raw[used++]);
        if (step != Step::need_more) return step;
    }
    return Step::need_more;
}

ChunkDecoder::Step ChunkDecoder::begin_chunk() {
    if (chunk_left_ > body_bytes_max_ - body_bytes_) {
        return fail(413, fmt::format("the body is larger than {} bytes", body_bytes_max_));
    }
    body_bytes_ += chunk_left_;
    state_ = chunk_left_ == 0 ? State::trailer_first : State::data;
    return Step::need_more;
}

ChunkDecoder::Step ChunkDecoder::feed_one(char c) {
    switch (state_) {
        case State::size_first:
        case State::size: {
            const int digit = hex_value(c);
            if (digit >= 0) {
                if (++digits_ > 16) return fail(400, "a chunk size has more than 16 digits");
                chunk_left_ = chunk_left_ * 16 + static_cast<std::uint64_t>(digit);
                state_ = State::size;
                return Step::need_more;
            }
            if (state_ == State::size_first || (c != ';' && c != '\r')) {
                return fail(400, "a chunk size is not a hexadecimal number");
            }
            digits_ = 0;
            state_ = c == ';' ? State::extension : State::size_lf;
            return Step::need_more;
        }
        case State::extension:
            if (++extension_bytes_ > extension_bytes_max) {
                return fail(400, fmt::format("chunk extensions are longer than {} bytes",
                                             extension_bytes_max));
            }
            if (c == '\r') {
                state_ = State::size_lf;
            } else if (is_control(c) && c != '\t') {
                return fail(400, "a chunk extension has a control character");
            }
            return Step::need_more;
        case State::size_lf:
            if (c != '\n') return fail(400, "a chunk size ends with CR without LF");
            return begin_chunk();
        case State::data_cr:
            if (c != '\r') return fail(400, "a chunk is longer than its size says");
            state_ = State::data_lf;
            return Step::need_more;
        case State::data_lf:
            if (c != '\n') return fail(400, "a chunk is longer than its size says");
            state_ = State::size_first;
            return Step::need_more;
        case State::last_lf:
            if (c != '\n') return fail(400, "the trailers end with CR without LF");
            state_ = State::done;
            return Step::done;
        default: break;
    }
    // Trailer fields: name ":" value CRLF.
    if (++trailer_bytes_ > trailer_bytes_max) {
        return fail(431, fmt::format("the trailers are longer than {} bytes", trailer_bytes_max));
    }
    switch (state_) {
        case State::trailer_first:
            if (c == '\r') {
                state_ = State::last_lf;
                return Step::need_more;
            }
            if (!is_token(c)) return fail(400, "a trailer has a name that is not a token");
            state_ = State::trailer_name;
            return Step::need_more;
        case State::trailer_name:
            if (c == ':') {
                state_ = State::trailer_value;
            } else if (!is_token(c)) {
                return fail(400, "a trailer has a name that is not a token");
            }
            return Step::need_more;
        case State::trailer_value:
            if (c == '\r') {
                state_ = State::trailer_lf;
            } else if (is_control(c) && c != '\t') {
                return fail(400, "a trailer has a control character");
            }
            return Step::need_more;
        default:  // trailer_lf
            if (c != '\n') return fail(400, "a trailer ends with CR without LF");
            state_ = State::trailer_first;
            return Step::need_more;
    }
}

}  // namespace loadstone::net::internal
