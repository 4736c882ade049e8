#include "loadstone/outbound/http_connection.h"

#include <fmt/format.h>

#include <exception>
#include <new>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/http_easy.h"
#include "loadstone/outbound/internal/smtp_reply.h"

namespace loadstone::outbound {

namespace {

constexpr std::size_t refusal_bytes_max = 4'096;
constexpr std::size_t url_bytes_max = 8 * 1'024;
constexpr int refused_from = 400;
constexpr std::chrono::seconds retry_after{1};

// Empty if the URL has no such part.
std::string part(CURLU* url, CURLUPart what, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return {};
    const std::unique_ptr<char, internal::CurlStringCloser> owner(text);
    return text;
}

[[noreturn]] void refuse(std::string_view why) {
    throw Error(Errc::invalid_argument,
                fmt::format("URL: {}; expected http://[USER:PASSWORD@]HOST[:PORT][/PATH]", why));
}

}  // namespace

UrlParts parts_of_url(const std::string& url) {
    if (url.size() > url_bytes_max || !is_printable(url) || url.find(' ') != std::string::npos)
        refuse("too long, a space or a control character");
    const std::unique_ptr<CURLU, internal::UrlCloser> parsed(curl_url());
    if (parsed == nullptr) throw std::bad_alloc();
    if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) refuse("malformed");
    const std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") refuse("another scheme");
    if (!part(parsed.get(), CURLUPART_FRAGMENT).empty() ||
        !part(parsed.get(), CURLUPART_QUERY).empty())
        refuse("it has a query or a fragment");
    UrlParts parts;
    parts.user = part(parsed.get(), CURLUPART_USER, CURLU_URLDECODE);
    parts.password = part(parsed.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
    parts.authority = fmt::format("{}:{}", part(parsed.get(), CURLUPART_HOST),
                                  part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
    parts.base = scheme + "://" + parts.authority;
    parts.path = part(parsed.get(), CURLUPART_PATH, CURLU_URLDECODE);
    if (parts.path.starts_with('/')) parts.path.erase(0, 1);
    return parts;
}

std::string url_encoded(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') ||
                              std::string_view("-._~").find(c) != std::string_view::npos;
        if (is_plain)
            encoded += c;
        else
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return encoded;
}

struct HttpConnection::Impl {
    Impl(const HttpClientOptions& client_options, const std::atomic<bool>* stop)
        : options(client_options), stopping(stop) {
        internal::initialise_curl();
        easy.reset(curl_easy_init());
        if (easy == nullptr) throw std::bad_alloc();
    }

    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
    static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
    void take(std::string_view bytes);
    void configure(const HttpPost& request);
    [[noreturn]] void fail(CURLcode code, const HttpPost& request);

    const HttpClientOptions options;
    const std::atomic<bool>* const stopping;
    internal::Easy easy;

    // Of the request under way.
    internal::HeaderList headers;
    const FunctionRef<void(std::string_view)>* sink = nullptr;
    std::exception_ptr thrown;
    HttpAnswer answer;
    char fault[CURL_ERROR_SIZE] = {};
};

std::size_t HttpConnection::Impl::on_body(char* data, std::size_t size, std::size_t count,
                                          void* self) {
    auto& impl = *static_cast<Impl*>(self);
    try {
        impl.take({data, size * count});
        return size * count;
    } catch (...) {
        impl.thrown = std::current_exception();
        return 0;
    }
}

void HttpConnection::Impl::take(std::string_view bytes) {
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status < refused_from) return (*sink)(bytes);
    const std::size_t room = refusal_bytes_max - answer.refusal.size();
    answer.refusal += bytes.substr(0, room);
}

int HttpConnection::Impl::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& impl = *static_cast<Impl*>(self);
    return impl.stopping != nullptr && *impl.stopping ? 1 : 0;
}

void HttpConnection::Impl::configure(const HttpPost& request) {
    CURL* const handle = easy.get();
    curl_easy_reset(handle);  // its connections stay
    internal::configure_easy(handle, options);
    headers = internal::HeaderList();
    for (const auto& [name, value] : request.headers)
        headers.add(internal::header_line(name, value));
    headers.add("Expect:");  // the body does not wait for the server's leave
    internal::set_option(handle, CURLOPT_URL, request.url.c_str());
    internal::set_option(handle, CURLOPT_HTTPHEADER, headers.get());
    internal::set_option(handle, CURLOPT_POST, 1L);
    internal::set_option(handle, CURLOPT_POSTFIELDS, request.body.data());
    internal::set_option(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request.body.size()));
    internal::set_option(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    internal::set_option(handle, CURLOPT_FRESH_CONNECT, request.is_sent_once ? 1L : 0L);
    internal::set_option(handle, CURLOPT_ERRORBUFFER, static_cast<char*>(fault));
    internal::set_option(handle, CURLOPT_WRITEFUNCTION, &Impl::on_body);
    internal::set_option(handle, CURLOPT_WRITEDATA, static_cast<void*>(this));
    internal::set_option(handle, CURLOPT_NOPROGRESS, 0L);
    internal::set_option(handle, CURLOPT_XFERINFOFUNCTION, &Impl::on_progress);
    internal::set_option(handle, CURLOPT_XFERINFODATA, static_cast<void*>(this));
}

void HttpConnection::Impl::fail(CURLcode code, const HttpPost& request) {
    const std::string host = parts_of_url(request.url.substr(0, request.url.find('?'))).authority;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        throw Error(Errc::cancelled, fmt::format("{}: the client stops", host));
    double connected = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_PRETRANSFER_TIME, &connected);
    if (code == CURLE_OPERATION_TIMEDOUT && connected > 0)
        throw Error(Errc::deadline_exceeded,
                    fmt::format("{}: no whole answer within {} ms", host, request.timeout.count()));
    throw Error(Errc::unavailable, fmt::format("{}: {}", host,
                                               fault[0] != '\0' ? internal::one_line(fault)
                                                                : curl_easy_strerror(code)))
        .with_retry_after(retry_after);
}

HttpConnection::HttpConnection(const HttpClientOptions& options, const std::atomic<bool>* stopping)
    : impl_(std::make_unique<Impl>(options, stopping)) {}

HttpConnection::~HttpConnection() = default;

HttpAnswer HttpConnection::post(const HttpPost& request, FunctionRef<void(std::string_view)> sink) {
    Impl& impl = *impl_;
    impl.answer = {};
    impl.thrown = nullptr;
    impl.fault[0] = '\0';
    impl.sink = &sink;
    impl.configure(request);
    const CURLcode code = curl_easy_perform(impl.easy.get());
    if (impl.thrown) std::rethrow_exception(impl.thrown);
    if (code != CURLE_OK) impl.fail(code, request);
    long status = 0;
    curl_easy_getinfo(impl.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    impl.answer.status = static_cast<int>(status);
    return std::move(impl.answer);
}

}  // namespace loadstone::outbound
