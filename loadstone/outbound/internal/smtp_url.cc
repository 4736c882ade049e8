#include "loadstone/outbound/internal/smtp_url.h"

#include <fmt/format.h>

#include <memory>
#include <new>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/curl.h"
#include "loadstone/outbound/internal/mail_address.h"

namespace loadstone::outbound::internal {

namespace {

Error bad_url(std::string_view why) {
    return Error(Errc::invalid_argument,
                 fmt::format("mail URL: {}; expected smtp://[user:password@]host[:port], "
                             "smtps://... or maildir:PATH",
                             why));
}

// Empty if the URL has no such part.
std::string part(CURLU* url, CURLUPart what, unsigned flags) {
    char* text = nullptr;
    const CURLUcode code = curl_url_get(url, what, &text, flags);
    switch (code) {
        case CURLUE_OK: break;
        case CURLUE_NO_USER:
        case CURLUE_NO_PASSWORD:
        case CURLUE_NO_HOST:
        case CURLUE_NO_PORT:
        case CURLUE_NO_QUERY:
        case CURLUE_NO_FRAGMENT: return {};
        default: throw bad_url(curl_url_strerror(code));
    }
    const std::unique_ptr<char, CurlStringCloser> owner(text);
    return text;
}

bool is_this_host(std::string_view host) noexcept {
    const bool is_number = host.find_first_not_of("0123456789.") == std::string_view::npos;
    return host == "localhost" || (is_number && host.starts_with("127.")) || host == "[::1]";
}

}  // namespace

SmtpServer parse_smtp_url(const std::string& url, bool starttls_required) {
    const std::unique_ptr<CURLU, UrlCloser> parsed(curl_url());
    if (parsed == nullptr) throw std::bad_alloc();
    const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
    if (code != CURLUE_OK) throw bad_url(curl_url_strerror(code));
    const std::string scheme = part(parsed.get(), CURLUPART_SCHEME, 0);
    if (scheme != "smtp" && scheme != "smtps")
        throw bad_url("scheme is not smtp, smtps or maildir");
    const std::string host = part(parsed.get(), CURLUPART_HOST, 0);
    if (host.empty()) throw bad_url("no host");
    if (!part(parsed.get(), CURLUPART_QUERY, 0).empty() ||
        !part(parsed.get(), CURLUPART_FRAGMENT, 0).empty()) {
        throw bad_url("it has a query or a fragment");
    }

    SmtpServer server;
    server.user = part(parsed.get(), CURLUPART_USER, CURLU_URLDECODE);
    server.password = part(parsed.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
    if (!is_printable(server.user) || !is_printable(server.password)) {
        throw bad_url("user or password has a control character");
    }
    curl_url_set(parsed.get(), CURLUPART_USER, nullptr, 0);
    curl_url_set(parsed.get(), CURLUPART_PASSWORD, nullptr, 0);
    server.url = part(parsed.get(), CURLUPART_URL, 0);
    server.name =
        fmt::format("{}:{}", host, part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
    const bool has_secret = !server.user.empty() || !server.password.empty();
    if (scheme == "smtps") {
        server.tls = TlsUse::implicit;
    } else if (starttls_required || (has_secret && !is_this_host(host))) {
        server.tls = TlsUse::required;
    }
    return server;
}

}  // namespace loadstone::outbound::internal
