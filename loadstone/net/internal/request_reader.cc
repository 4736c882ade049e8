#include "loadstone/net/internal/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "loadstone/base/assert.h"

namespace loadstone::net::internal {

namespace {

constexpr std::size_t capacity_first = 4096;

}  // namespace

RequestReader::RequestReader(const HttpLimits& limits) : limits_(limits), parser_(limits) {}

RequestReader::Step RequestReader::fail(HttpFailure failure) {
    failure_ = std::move(failure);
    return Step::failed;
}

void RequestReader::move_to_front(std::size_t capacity) {
    const std::size_t size = end_ - begin_;
    if (capacity > capacity_) {
        std::unique_ptr<char[]> grown(new char[capacity]);
        if (size > 0) std::memcpy(grown.get(), data_.get() + begin_, size);
        data_ = std::move(grown);
        capacity_ = capacity;
    } else if (begin_ > 0) {
        std::memmove(data_.get(), data_.get() + begin_, size);
    }
    begin_ = 0;
    end_ = size;
}

std::span<char> RequestReader::space() {
    if (is_body_open_ && kind_ == BodyKind::apart) return body_.room(body_bytes_ - body_raw_bytes_);
    if (!is_body_open_ && capacity_ - end_ < tail_min / 4) {
        const std::size_t size = end_ - begin_;
        const bool has_room = capacity_ - size >= tail_min / 4;
        const std::size_t capacity_max = limits_.header_bytes_max + tail_min;
        const std::size_t grown = std::min(std::max(capacity_first, capacity_ * 2), capacity_max);
        move_to_front(has_room ? capacity_ : grown);
    }
    LOADSTONE_ASSERT(end_ < capacity_, "a step that needs more has left room for it");
    return {data_.get() + end_, capacity_ - end_};
}

void RequestReader::commit(std::size_t bytes) noexcept {
    if (is_body_open_ && kind_ == BodyKind::apart) {
        body_.add(bytes);
        body_raw_bytes_ += bytes;
    } else {
        end_ += bytes;
    }
}

RequestReader::Step RequestReader::read_head() {
    if (!started_) {
        // RFC 9112 2.2: one empty line before a request is ignored, however it was cut.
        if (!empty_line_ignored_ && end_ - begin_ >= 2 &&
            std::memcmp(data_.get() + begin_, "\r\n", 2) == 0) {
            begin_ += 2;
            empty_line_ignored_ = true;
        }
        if (end_ == begin_ || (end_ - begin_ == 1 && data_[begin_] == '\r')) return Step::need_more;
        parser_.start();
        started_ = true;
    }
    switch (parser_.feed({data_.get() + begin_, end_ - begin_})) {
        case HeaderParser::Step::need_more: return Step::need_more;
        case HeaderParser::Step::failed: return fail(parser_.failure());
        case HeaderParser::Step::done: break;
    }
    head_done_ = true;
    const Head& head = parser_.head();
    if (head.has_body() && capacity_ - body_begin() < tail_min)
        move_to_front(head.bytes + tail_min);
    return Step::done;
}

RequestReader::Step RequestReader::begin_body(std::size_t bytes_max) {
    const Head& head = parser_.head();
    const std::size_t available = end_ - body_begin();
    if (head.is_chunked) {
        kind_ = BodyKind::chunked;
        chunks_.start(bytes_max);
        is_body_open_ = true;
        return Step::done;
    }
    const std::uint64_t length = head.content_length.value_or(0);
    if (length > bytes_max) {
        return fail(
            {413, fmt::format("the body has {} bytes, at most {} are allowed", length, bytes_max)});
    }
    if (length == 0) return Step::done;  // no body to read, also where the request is refused
    body_bytes_ = length;
    if (length <= capacity_ - body_begin()) {
        kind_ = BodyKind::in_place;
    } else {
        kind_ = BodyKind::apart;
        body_.append({data_.get() + body_begin(), available});
        body_raw_bytes_ = available;
    }
    is_body_open_ = true;
    return Step::done;
}

RequestReader::Step RequestReader::read_body() {
    if (!is_body_open_) return Step::done;
    if (kind_ == BodyKind::chunked) {
        // Every byte is taken at once, so that the room behind the head is free again.
        const std::size_t begin = body_begin();
        std::size_t used = 0;
        const auto step = chunks_.feed({data_.get() + begin, end_ - begin}, used, body_);
        body_raw_bytes_ += used;
        if (step == ChunkDecoder::Step::failed) return fail(chunks_.failure());
        std::memmove(data_.get() + begin, data_.get() + begin + used, end_ - begin - used);
        end_ -= used;
        if (step == ChunkDecoder::Step::need_more) return Step::need_more;
    } else if (kind_ == BodyKind::in_place) {
        if (end_ - body_begin() < body_bytes_) return Step::need_more;
        body_raw_bytes_ = body_bytes_;
    } else if (body_raw_bytes_ < body_bytes_) {
        return Step::need_more;
    }
    is_body_open_ = false;
    return Step::done;
}

std::string_view RequestReader::body() const noexcept {
    if (is_body_open_) return {};
    if (kind_ == BodyKind::in_place) return {data_.get() + body_begin(), body_bytes_};
    return kind_ == BodyKind::none ? std::string_view{} : body_.view();
}

void RequestReader::finish() {
    LOADSTONE_ASSERT(head_done_ && !is_body_open_, "a request is finished when it was read");
    switch (kind_) {
        case BodyKind::in_place: begin_ = body_begin() + body_bytes_; break;
        case BodyKind::apart: begin_ = end_; break;  // all that was read belongs to the body
        default: begin_ = body_begin(); break;
    }
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ == end_ && capacity_ > kept_max) {
        data_.reset();
        capacity_ = 0;
    }
    body_.clear();
    if (body_.capacity() > kept_max) body_.release();
    started_ = head_done_ = empty_line_ignored_ = false;
    kind_ = BodyKind::none;
    body_bytes_ = body_raw_bytes_ = 0;
}

}  // namespace loadstone::net::internal
