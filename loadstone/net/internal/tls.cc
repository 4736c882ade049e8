#include "loadstone/net/internal/tls.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/impl/src.hpp>  // the one compilation of asio::ssl
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "loadstone/base/error.h"

namespace loadstone::net::internal {

namespace ssl = asio::ssl;

namespace {

// RFC 7301: http/1.1 or no answer at all.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned int in_size, void*) {
    constexpr std::string_view wanted = "http/1.1";
    for (unsigned int i = 0; i < in_size; i += in[i] + 1u) {
        if (in[i] != wanted.size() || i + in[i] >= in_size) continue;
        if (std::memcmp(in + i + 1, wanted.data(), wanted.size()) != 0) continue;
        *out = in + i + 1;
        *out_size = in[i];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

void check(const ErrorCode& error, std::string_view what, const std::string& file) {
    if (!error) return;
    throw Error(Errc::invalid_argument,
                fmt::format("the TLS {} in '{}' cannot be used: {}", what, file, error.message()));
}

}  // namespace

struct TlsContext::Impl {
    ssl::context context{ssl::context::tls_server};
};

TlsContext::TlsContext(const std::string& certificate, const std::string& key)
    : impl_(std::make_unique<Impl>()) {
    ssl::context& context = impl_->context;
    SSL_CTX* const native = context.native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_options(
        native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
    // Forward secrecy and authenticated ciphers only; TLS 1.3 has no others. Sessions are resumed
    // by tickets, so that they take no memory here.
    SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    // A server that starts has nobody to ask for a passphrase.
    const auto has_passphrase = std::make_shared<bool>(false);
    context.set_password_callback([has_passphrase](std::size_t, ssl::context::password_purpose) {
        *has_passphrase = true;
        return std::string();
    });
    SSL_CTX_set_alpn_select_cb(native, &select_protocol, nullptr);
    ErrorCode error;
    context.use_certificate_chain_file(certificate, error);
    check(error, "certificate", certificate);
    context.use_private_key_file(key, ssl::context::pem, error);
    if (*has_passphrase) {
        throw Error(
            Errc::invalid_argument,
            fmt::format("the TLS key in '{}' has a passphrase: one without is needed", key));
    }
    check(error, "key", key);
    if (SSL_CTX_check_private_key(native) != 1) {
        throw Error(Errc::invalid_argument,
                    fmt::format("the TLS key in '{}' is not that of the certificate in '{}'", key,
                                certificate));
    }
}

TlsContext::~TlsContext() = default;

struct TlsStream::Impl {
    Impl(ssl::context& context, Socket& socket) : stream(socket, context) {}
    ssl::stream<Socket&> stream;
};

TlsStream::TlsStream(TlsContext& context, Socket& socket)
    : impl_(std::make_unique<Impl>(context.impl().context, socket)) {}

TlsStream::~TlsStream() = default;

Task<ErrorCode> TlsStream::handshake() {
    const auto [error] =
        co_await impl_->stream.async_handshake(ssl::stream_base::server, as_result);
    co_return error;
}

Task<std::pair<ErrorCode, std::size_t>> TlsStream::read_some(std::span<char> space) {
    const auto buffer = asio::buffer(space.data(), space.size());
    const auto [error, bytes] = co_await impl_->stream.async_read_some(buffer, as_result);
    co_return std::pair(error, bytes);
}

Task<ErrorCode> TlsStream::write(std::string_view bytes) {
    const auto buffer = asio::buffer(bytes);
    const auto [error, written] = co_await asio::async_write(impl_->stream, buffer, as_result);
    static_cast<void>(written);
    co_return error;
}

Task<void> TlsStream::shutdown() { co_await impl_->stream.async_shutdown(as_result); }

}  // namespace loadstone::net::internal
