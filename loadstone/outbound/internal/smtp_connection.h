#pragma once
// SmtpConnection: one connection of libcurl. libcurl resolves, connects, greets, encrypts and
// signs in (CURLOPT_CONNECT_ONLY); the mails themselves go over send() and receive().
//
// Not libcurl's own SMTP transfer: in 7.88 it waits for the reply to the final dot inside
// curl_multi_perform and so blocks all transfers of the multi handle (smtp_done), and whether the
// dot went out cannot be told from its result.
//
// Used by the engine's thread only; at most as long as the multi handle.

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "loadstone/outbound/internal/smtp_dialogue.h"
#include "loadstone/outbound/internal/smtp_url.h"

namespace loadstone::outbound::internal {

class SmtpConnection {
public:
    // Begins to connect. `server` outlives this.
    SmtpConnection(CURLM* multi, const SmtpServer& server, std::chrono::milliseconds timeout);
    ~SmtpConnection();  // closes at once
    SmtpConnection(const SmtpConnection&) = delete;
    SmtpConnection& operator=(const SmtpConnection&) = delete;

    // The connection that a finished handle of the multi belongs to.
    static SmtpConnection& of(CURL* handle);

    // What libcurl said of connecting; true if mails can go now, else verdict() says why not.
    bool connected(CURLcode code);
    const SmtpVerdict& verdict() const noexcept { return verdict_; }

    bool offers_utf8() const noexcept { return offers_utf8_; }
    curl_socket_t socket() const noexcept { return socket_; }

    enum class Io : unsigned char { done, again, closed };
    struct IoResult {
        Io io = Io::again;
        std::size_t bytes = 0;
        const char* why = "";  // if closed
    };
    // After `again` the same bytes must be given again, from the same place.
    IoResult send(std::string_view bytes) noexcept;
    IoResult receive(std::span<char> into) noexcept;

private:
    static std::size_t on_line(char* data, std::size_t size, std::size_t count, void* self);
    void read_line(std::string_view line);
    void configure(std::chrono::milliseconds timeout);

    CURLM* multi_;
    const SmtpServer& server_;
    CURL* easy_;
    curl_socket_t socket_ = CURL_SOCKET_BAD;
    bool offers_utf8_ = false;
    std::string refusal_;  // the last reply above 399 while connecting
    SmtpVerdict verdict_;
    char fault_[CURL_ERROR_SIZE] = {};
};

}  // namespace loadstone::outbound::internal
