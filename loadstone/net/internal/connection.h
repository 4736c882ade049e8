#pragma once
// Connection: one client, one coroutine, one request after the other. All of it on one loop.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "loadstone/base/log.h"
#include "loadstone/base/result.h"
#include "loadstone/net/internal/field_rules.h"
#include "loadstone/net/internal/loop_state.h"
#include "loadstone/net/internal/request_reader.h"
#include "loadstone/net/internal/target.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/loops.h"

namespace loadstone::net::internal {

class Connection final : private Request {
public:
    // `loop` must outlive it. It has been counted in ConnectionCount under `address`.
    Connection(LoopState& loop, Socket socket, std::string address);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    runtime::SpanSlot& slot() noexcept { return slot_; }
    // Until the connection ends; on the span executor of slot().
    Task<void> run();

    // Ends the wait under way if its deadline has passed.
    void end_if_due(std::int64_t now_ms);
    // Ends it if no request is under way; otherwise the answer will be its last.
    void drain();
    // Ends it now, and cancels what runs for it.
    void abort();

private:
    friend class ConnectionList;

    // What the connection waits for, when it waits for its client.
    enum class Waiting : std::uint8_t { nothing, first, idle, header, body, write, close };
    // How a response's first attempt to be written went.
    enum class Written : std::uint8_t { all, some, failed };

    // Request
    Method method() const noexcept override { return reader_.head().method; }
    std::string_view path() const noexcept override { return path_; }
    std::string_view query() const noexcept override { return target_.query; }
    std::string_view header(std::string_view name) const noexcept override;
    std::string_view body() const noexcept override { return reader_.body(); }
    std::string_view address() const noexcept override { return address_; }
    std::string_view network() const noexcept override { return network_; }
    std::string_view id() const noexcept override { return {request_id_.data(), request_id_size_}; }
    bool is_tls() const noexcept override { return tls_ != nullptr; }

    std::string_view field(KnownField known) const noexcept {
        return reader_.head().value(known, reader_.head_bytes());
    }

    void wait_for(Waiting what, std::chrono::milliseconds timeout) noexcept;
    void wait_is_over() noexcept;

    // ---- one request ----
    void begin_request();
    void choose_request_id();
    // From the head to what the handler may be given; false if response_ says why not.
    bool admit();
    bool admit_target();
    bool admit_route();
    bool admit_body();
    bool admit_rate();
    bool admit_origin();
    void read_idempotency_key();
    Task<void> answer();
    Task<void> resolve_session();
    void begin_reading();
    void tell_reading();
    // need_more: it did not come, and refuse() was called or the client is gone.
    Task<RequestReader::Step> read_body();
    void respond_to(const std::exception_ptr& exception);
    // For what cannot be answered and then gone on with: the connection ends.
    void refuse(const HttpFailure& failure);
    // The answer is a problem, the connection may go on.
    void reject(int status, std::string_view detail);
    // response_ as it will be sent: head_ is written, the connection's future decided.
    // For an answer that is over `response_bytes_max`.
    void refuse_body();
    void prepare_response();
    // Gives it a tag, and the status 304 if the client has it already.
    void revalidate();
    void complete_response();
    void record();

    // ---- I/O ----
    Task<bool> handshake();
    // 0: nothing more comes, or the wait was ended.
    Task<std::size_t> read_some(std::span<char> space);
    Task<bool> write(std::string_view bytes);
    Written write_now();
    Task<bool> write_rest();
    // The body that is not in memory.
    Task<bool> write_stream();
    // Its next bytes; none: that is all. An error: it cannot be read, or `end` has passed.
    Task<Result<std::size_t>> read_stream(std::span<char> space, Deadline end);
    // Counts it, says once why, and sees to it that the client does not take what it has for all.
    void break_off(const Error& why, log::Level level);
    void write_is_over(bool is_written);
    // Without a goodbye: what the kernel holds for the client is dropped.
    void reset();
    bool has_unread_input();
    // Half-closes and waits until the client has done so, so that what it still sends does not
    // make its kernel drop the answer.
    Task<void> linger();

    LoopState& loop_;
    ServerState& server_;
    const HttpLimits& limits_;
    Socket socket_;
    std::unique_ptr<TlsStream> tls_;
    const std::string address_;
    const std::string network_;
    runtime::SpanSlot slot_;
    RequestReader reader_;

    Waiting waiting_ = Waiting::nothing;
    bool timed_out_ = false;
    bool aborted_ = false;
    std::int64_t due_ms_ = 0;  // 0: no deadline
    std::size_t requests_ = 0;

    std::optional<Context> context_;
    bool head_read_ = false;
    bool closes_ = false;
    bool lingers_ = false;
    bool gone_ = false;  // the client: nothing can be written
    Target target_;
    std::string path_storage_;
    std::string_view path_;
    RouteMatch match_;
    const RouteEntry* entry_ = nullptr;
    std::array<char, 64> request_id_;
    std::size_t request_id_size_ = 0;
    std::string own_lines_;
    bool tells_position_ = false;  // in the header too
    bool sets_position_ = false;   // also where it has not moved: the cookies are behind the header
    Response response_;
    std::optional<admission::Permit> stream_permit_;  // while the stream is read
    Context* stream_context_ = nullptr;               // while a piece of it is made

    bool sends_body_ = false;
    bool is_chunked_ = false;  // with a stream whose size is not known
    std::string head_;         // of the response; with a small body, all of it
    std::string_view rest_;    // of the body, behind head_
    std::size_t sent_ = 0;

    Connection* previous_ = nullptr;
    Connection* next_ = nullptr;
};

}  // namespace loadstone::net::internal
