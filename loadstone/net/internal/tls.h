#pragma once
// TLS 1.2 and 1.3 by OpenSSL, in one unit of its own. ALPN offers http/1.1 only.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "loadstone/net/internal/socket.h"
#include "loadstone/runtime/task.h"

namespace loadstone::net::internal {

class TlsContext {
public:
    // PEM files. Throws Error invalid_argument that names the file and what is wrong with it.
    TlsContext(const std::string& certificate, const std::string& key);
    ~TlsContext();

    struct Impl;
    Impl& impl() noexcept { return *impl_; }

private:
    std::unique_ptr<Impl> impl_;
};

// A stream over a connection's socket. What ends a wait early is the socket being cancelled.
class TlsStream {
public:
    TlsStream(TlsContext& context, Socket& socket);
    ~TlsStream();

    Task<ErrorCode> handshake();
    Task<std::pair<ErrorCode, std::size_t>> read_some(std::span<char> space);
    Task<ErrorCode> write(std::string_view bytes);
    // Tells the peer that nothing more comes, and waits for its word.
    Task<void> shutdown();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::net::internal
