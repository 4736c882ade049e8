#include "loadstone/outbound/internal/smtp_connection.h"

#include <fmt/format.h>

#include <new>

#include "loadstone/outbound/internal/curl.h"

namespace loadstone::outbound::internal {

namespace {

bool is_of_configuration(CURLcode code) noexcept {
    switch (code) {
        case CURLE_LOGIN_DENIED:
        case CURLE_USE_SSL_FAILED:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CIPHER: return true;
        default: return false;
    }
}

}  // namespace

SmtpConnection::SmtpConnection(CURLM* multi, const SmtpServer& server,
                               std::chrono::milliseconds timeout)
    : multi_(multi), server_(server), easy_(curl_easy_init()) {
    if (easy_ == nullptr) throw std::bad_alloc();
    configure(timeout);
    if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) {
        curl_easy_cleanup(easy_);
        throw std::bad_alloc();
    }
}

SmtpConnection::~SmtpConnection() {
    // Of a handle with CONNECT_ONLY libcurl closes the connection here without QUIT and its reply.
    curl_multi_remove_handle(multi_, easy_);
    curl_easy_cleanup(easy_);
}

SmtpConnection& SmtpConnection::of(CURL* handle) {
    char* self = nullptr;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, &self);
    return *reinterpret_cast<SmtpConnection*>(self);
}

void SmtpConnection::configure(std::chrono::milliseconds timeout) {
    set_option(easy_, CURLOPT_PRIVATE, static_cast<void*>(this));
    set_option(easy_, CURLOPT_URL, server_.url.c_str());
    set_option(easy_, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    set_option(easy_, CURLOPT_CONNECT_ONLY, 1L);
    set_option(easy_, CURLOPT_PROXY, "");  // not what the environment says
    set_option(easy_, CURLOPT_NOSIGNAL, 1L);
    set_option(easy_, CURLOPT_QUICK_EXIT, 1L);  // closing does not wait for a resolver's thread
    set_option(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout.count()));
    set_option(easy_, CURLOPT_SERVER_RESPONSE_TIMEOUT,
               static_cast<long>(timeout.count() / 1000 + 1));
    set_option(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
    set_option(easy_, CURLOPT_ERRORBUFFER, static_cast<char*>(fault_));
    set_option(easy_, CURLOPT_HEADERFUNCTION, &SmtpConnection::on_line);
    set_option(easy_, CURLOPT_HEADERDATA, static_cast<void*>(this));
    // libcurl's cache must not take this connection for one that was idle for too long.
    set_option(easy_, CURLOPT_MAXAGE_CONN, 24L * 3600);
    if (!server_.user.empty() || !server_.password.empty()) {
        set_option(easy_, CURLOPT_USERNAME, server_.user.c_str());
        set_option(easy_, CURLOPT_PASSWORD, server_.password.c_str());
    }
    const bool opportunistic = server_.tls == TlsUse::if_offered;
    set_option(easy_, CURLOPT_USE_SSL,
               static_cast<long>(opportunistic ? CURLUSESSL_TRY : CURLUSESSL_ALL));
    set_option(easy_, CURLOPT_SSL_VERIFYPEER, opportunistic ? 0L : 1L);
    set_option(easy_, CURLOPT_SSL_VERIFYHOST, opportunistic ? 0L : 2L);
    if (!server_.tls_ca_file.empty()) {
        set_option(easy_, CURLOPT_CAINFO, server_.tls_ca_file.c_str());
        set_option(easy_, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
}

std::size_t SmtpConnection::on_line(char* data, std::size_t size, std::size_t count, void* self) {
    static_cast<SmtpConnection*>(self)->read_line(std::string_view(data, size * count));
    return size * count;
}

void SmtpConnection::read_line(std::string_view line) {
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() < 4) return;
    const std::string_view text = line.substr(4);
    // What is offered before STARTTLS does not count after it (RFC 3207 4.2).
    if (line.starts_with("220")) offers_utf8_ = false;
    if (line.starts_with("250") && text == "SMTPUTF8") offers_utf8_ = true;
    if (line[0] == '4' || line[0] == '5') refusal_ = one_line(text);
}

bool SmtpConnection::connected(CURLcode code) {
    long reply = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &reply);
    const bool has_account = !server_.user.empty() || !server_.password.empty();
    if (code == CURLE_OK && has_account && reply != 235) {
        // libcurl goes on unsigned when the server has no AUTH.
        verdict_ = refused_as_client(0, "the server offers no way to sign in (AUTH)");
        verdict_.configuration_at_fault = true;
        return false;
    }
    if (code == CURLE_OK && curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &socket_) == CURLE_OK &&
        socket_ != CURL_SOCKET_BAD) {
        return true;
    }
    const bool refused = reply >= 400 && reply <= 599;
    std::string why = fault_[0] != '\0' ? one_line(fault_) : curl_easy_strerror(code);
    if (refused) why += fmt::format(" ({})", refusal_);
    verdict_ = refused_as_client(refused ? static_cast<int>(reply) : 0,
                                 fmt::format("connecting to {}: {}", server_.name, why));
    if (is_of_configuration(code) && !(reply >= 400 && reply <= 499)) {
        verdict_.configuration_at_fault = true;
    }
    return false;
}

SmtpConnection::IoResult SmtpConnection::send(std::string_view bytes) noexcept {
    IoResult result;
    const CURLcode code = curl_easy_send(easy_, bytes.data(), bytes.size(), &result.bytes);
    if (code == CURLE_OK) {
        result.io = result.bytes > 0 ? Io::done : Io::again;
    } else if (code != CURLE_AGAIN) {
        result.io = Io::closed;
        result.why = "the connection was lost";
    }
    return result;
}

SmtpConnection::IoResult SmtpConnection::receive(std::span<char> into) noexcept {
    IoResult result;
    const CURLcode code = curl_easy_recv(easy_, into.data(), into.size(), &result.bytes);
    if (code == CURLE_OK && result.bytes > 0) {
        result.io = Io::done;
    } else if (code != CURLE_AGAIN) {
        result.io = Io::closed;
        result.why =
            code == CURLE_OK ? "the server closed the connection" : "the connection was lost";
    }
    return result;
}

}  // namespace loadstone::outbound::internal
