#pragma once
// smtp://[user:password@]host[:port][/client-name] and smtps://...: where to and how.

#include <string>
#include <string_view>

namespace loadstone::outbound::internal {

enum class TlsUse : unsigned char {
    if_offered,  // STARTTLS if the server has it, without asking who it is (RFC 7435)
    required,    // STARTTLS, and a certificate that is right for the host
    implicit,    // smtps://: TLS from the first byte, certificate as above
};

struct SmtpServer {
    std::string url;   // for libcurl; has neither user nor password
    std::string name;  // "host:port", for people and metrics
    std::string user, password;
    TlsUse tls = TlsUse::if_offered;
    std::string tls_ca_file;  // empty: the system's
};

// With a user the password must not go over the network in the clear: then smtp:// to any host but
// this one (localhost, 127.0.0.0/8, ::1) means TlsUse::required. Percent-encoding in user and
// password is decoded. Throws Error invalid_argument, without the URL in it.
SmtpServer parse_smtp_url(const std::string& url, bool starttls_required);

}  // namespace loadstone::outbound::internal
