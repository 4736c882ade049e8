#include <algorithm>

#include "loadstone/net/body_stream.h"

namespace loadstone::net {

Task<std::size_t> PieceStream::read(Context& context, std::span<char> space) {
    if (taken_ == piece_.size() && !has_ended_) {
        piece_.clear();
        taken_ = 0;
        co_await next_piece(context, piece_);
        has_ended_ = piece_.empty();
    }
    const std::size_t bytes = std::min(space.size(), piece_.size() - taken_);
    std::copy_n(piece_.data() + taken_, bytes, space.data());
    taken_ += bytes;
    co_return bytes;
}

}  // namespace loadstone::net
