#pragma once
// The head of a response, written by hand into a buffer that is kept from answer to answer.

#include <cstddef>
#include <string>
#include <string_view>

#include "loadstone/net/response.h"

namespace loadstone::net::internal {

// What the connection adds to what a handler returned.
struct Envelope {
    std::string_view date_line;  // "Date: ...\r\n"
    std::string_view request_id;
    // Each with CRLF: RateLimit-Policy and RateLimit, what the session has seen; or empty.
    std::string_view own_lines;
    std::size_t body_bytes = 0;  // as it is sent, or would be without HEAD
    bool has_size = true;        // false: of a body whose size is not known
    bool is_chunked = false;
    bool closes = false;
    bool keeps_alive_1_0 = false;  // an HTTP/1.0 client asked for it
    bool is_tls = false;
    bool is_gzipped = false;
    bool varies = false;  // by Accept-Encoding
};

// May a response of this status have a body? (RFC 9110 6.4.1)
bool has_content(int status) noexcept;

// In decimal digits.
void append_number(std::string& out, std::size_t number);

// The handler's own, or null. Valid until a header is added.
std::string* field_in(Response& response, std::string_view name) noexcept;

// Has the handler encoded the body itself?
bool has_encoding(const Response& response) noexcept;

// Are status, names and values such that they cannot break out of their lines, and none of them
// the server's own (framing, Connection, Date)?
bool is_sendable(const Response& response) noexcept;

// Appends; the response is sendable.
void append_head(std::string& out, const Response& response, const Envelope& envelope);

}  // namespace loadstone::net::internal
