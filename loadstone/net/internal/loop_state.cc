#include "loadstone/net/internal/loop_state.h"

#include <fmt/format.h>

#include <chrono>

#include "loadstone/base/timestamp.h"
#include "loadstone/net/internal/connection.h"

namespace loadstone::net::internal {

namespace {

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    fill_secret(std::as_writable_bytes(std::span(&seed, 1)));
    return seed;
}

}  // namespace

void ConnectionList::add(Connection& connection) noexcept {
    connection.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &connection;
    first_ = &connection;
}

void ConnectionList::remove(Connection& connection) noexcept {
    (connection.previous_ == nullptr ? first_ : connection.previous_->next_) = connection.next_;
    if (connection.next_ != nullptr) connection.next_->previous_ = connection.previous_;
}

Connection* ConnectionList::next(const Connection& connection) noexcept { return connection.next_; }

LoopState::LoopState(ServerState& server_state, int loop_index, LoopExecutor loop_executor)
    : server(server_state),
      index(loop_index),
      executor(loop_executor),
      random_(random_seed()),
      span_ids_(static_cast<std::uint64_t>(loop_index + 1) << 48) {
    advance();
}

void LoopState::advance() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    now_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    const Timestamp time = Timestamp::now();
    const std::int64_t second = time.micros / 1'000'000;
    if (second == date_second_) return;
    date_second_ = second;
    date_line_ = fmt::format("Date: {}\r\n", to_http_date(time));
}

void LoopState::make_request_id(std::array<char, 64>& id) noexcept {
    std::uint64_t number = random_.next();
    for (std::size_t i = 0; i < 16; ++i, number >>= 4) id[i] = "0123456789abcdef"[number & 15];
}

}  // namespace loadstone::net::internal
