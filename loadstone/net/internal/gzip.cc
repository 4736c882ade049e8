#include "loadstone/net/internal/gzip.h"

#include <zlib.h>

namespace loadstone::net::internal {

struct Gzip::Impl {
    z_stream stream{};
    bool is_ready = false;

    Impl() {
        constexpr int window_with_gzip_header = 15 + 16;
        is_ready = deflateInit2(&stream, 1, Z_DEFLATED, window_with_gzip_header, 8,
                                Z_DEFAULT_STRATEGY) == Z_OK;
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        if (is_ready) deflateEnd(&stream);
    }
};

Gzip::Gzip() = default;
Gzip::~Gzip() = default;

bool Gzip::compress(std::string_view text, std::string& out) {
    if (impl_ == nullptr) impl_ = std::make_unique<Impl>();
    if (!impl_->is_ready || deflateReset(&impl_->stream) != Z_OK) return false;
    out.resize(text.size());
    z_stream& stream = impl_->stream;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return false;
    out.resize(stream.total_out);
    return true;
}

}  // namespace loadstone::net::internal
