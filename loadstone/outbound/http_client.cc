#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/http.h"
#include "loadstone/outbound/internal/curl.h"
#include "loadstone/outbound/internal/http_easy.h"
#include "loadstone/outbound/internal/http_engine.h"
#include "loadstone/outbound/internal/transfer.h"
#include "loadstone/runtime/semaphore.h"

namespace loadstone::outbound {

namespace {

using internal::HttpEngine;
using internal::HttpOutcome;
using internal::HttpTransfer;
using std::chrono::milliseconds;

constexpr std::size_t waiters_max = 1'024;
constexpr std::size_t url_bytes_max = 8 * 1024;
constexpr milliseconds queue_retry_after{1'000};
// How soon a cancelled caller is noticed.
constexpr milliseconds cancellation_slice{100};

Error bad_url(std::string_view why) {
    return Error(Errc::invalid_argument, fmt::format("URL: {}; expected http:// or https://", why));
}

// Empty if the URL has no such part.
std::string part(CURLU* url, CURLUPart what, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return {};
    const std::unique_ptr<char, internal::CurlStringCloser> owner(text);
    return text;
}

}  // namespace

std::string authority_of_url(const std::string& url) {
    if (url.size() > url_bytes_max)
        throw bad_url(fmt::format("{} bytes, more than {}", url.size(), url_bytes_max));
    if (!is_printable(url) || url.find(' ') != std::string::npos)
        throw bad_url("a space or a control character");
    const std::unique_ptr<CURLU, internal::UrlCloser> parsed(curl_url());
    if (parsed == nullptr) throw std::bad_alloc();
    const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
    if (code != CURLUE_OK) throw bad_url(curl_url_strerror(code));
    const std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") throw bad_url("another scheme");
    if (!part(parsed.get(), CURLUPART_USER).empty() ||
        !part(parsed.get(), CURLUPART_PASSWORD).empty())
        throw bad_url("it has a user or a password");
    if (!part(parsed.get(), CURLUPART_FRAGMENT).empty()) throw bad_url("it has a fragment");
    const std::string host = part(parsed.get(), CURLUPART_HOST);
    if (host.empty()) throw bad_url("no host");
    return fmt::format("{}:{}", host, part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

struct HttpClient::Impl {
    Impl(const HttpClientOptions& client_options, telemetry::Registry& metrics)
        : options(client_options),
          registry(metrics),
          answered(counter("answered")),
          failed(counter("failed")),
          too_large(counter("too_large")),
          late(counter("late")),
          abandoned(counter("cancelled")),
          slots(options.transfers_max, waiters_max),
          engine(options) {
        registry.gauge(this, "loadstone_http_client_in_flight", "",
                       "Requests to others that are under way",
                       [this] { return static_cast<double>(slots.in_use()); });
    }
    ~Impl() { registry.remove_gauges(this); }

    telemetry::Counter& counter(std::string_view outcome) {
        return registry.counter("loadstone_http_client_total",
                                telemetry::metric_label("outcome", outcome),
                                "Requests to others by how they ended");
    }

    Task<void> wait_for_slot(Context& context, const std::string& host);
    Task<void> wait_for_answer(Context& context, HttpTransfer& transfer);
    void count(HttpOutcome outcome) noexcept;
    [[noreturn]] void fail(const HttpTransfer& transfer, const Context& context,
                           const std::string& host) const;

    const HttpClientOptions options;
    telemetry::Registry& registry;
    telemetry::Counter &answered, &failed, &too_large, &late, &abandoned;
    runtime::Semaphore slots;
    HttpEngine engine;
};

Task<void> HttpClient::Impl::wait_for_slot(Context& context, const std::string& host) {
    const runtime::Acquired acquired = co_await slots.acquire(context.deadline());
    if (acquired == runtime::Acquired::yes) co_return;
    throw Error(Errc::unavailable, fmt::format("{}: {} requests to others are under way, the limit",
                                               host, options.transfers_max))
        .with_retry_after(queue_retry_after);
}

Task<void> HttpClient::Impl::wait_for_answer(Context& context, HttpTransfer& transfer) {
    for (;;) {
        // The engine ends it at its deadline.
        const Deadline slice = Deadline::in(cancellation_slice);
        const bool finished = co_await transfer.finished.wait(slice);
        if (finished) co_return;
        if (context.is_cancelled()) engine.abandon(transfer);
    }
}

void HttpClient::Impl::count(HttpOutcome outcome) noexcept {
    switch (outcome) {
        case HttpOutcome::answered: return answered.add();
        case HttpOutcome::failed: return failed.add();
        case HttpOutcome::too_large: return too_large.add();
        case HttpOutcome::late: return late.add();
        case HttpOutcome::abandoned: return abandoned.add();
    }
}

void HttpClient::Impl::fail(const HttpTransfer& transfer, const Context& context,
                            const std::string& host) const {
    switch (transfer.outcome) {
        case HttpOutcome::too_large:
            throw Error(Errc::resource_exhausted,
                        fmt::format("{}: the answer is larger than {} bytes", host,
                                    transfer.body_bytes_max));
        case HttpOutcome::late:
            if (context.deadline().passed())
                throw Error(Errc::deadline_exceeded,
                            fmt::format("{}: no whole answer before the deadline", host));
            throw Error(Errc::unavailable, fmt::format("{}: no whole answer within {} ms", host,
                                                       options.transfer_timeout.count()));
        case HttpOutcome::abandoned:
            throw Error(Errc::cancelled, fmt::format("{}: cancelled while it was asked", host));
        default: throw Error(Errc::unavailable, fmt::format("{}: {}", host, transfer.why));
    }
}

HttpClient::HttpClient(const HttpClientOptions& options, telemetry::Registry& registry)
    : impl_(std::make_unique<Impl>(options, registry)) {}

HttpClient::~HttpClient() { stop(); }

void HttpClient::stop() { impl_->engine.stop(); }

Task<HttpResponse> HttpClient::get(Context& context, HttpRequest request) {
    Impl& impl = *impl_;
    const std::string host = authority_of_url(request.url);
    if (context.transaction() != nullptr) context.require_no_transaction("GET " + host);
    const auto transfer = std::make_shared<HttpTransfer>();
    transfer->url = std::move(request.url);
    transfer->body_bytes_max = request.body_bytes_max;
    for (const auto& [name, value] : request.headers)
        transfer->header_lines.push_back(internal::header_line(name, value));
    context.throw_if_done(host);
    const telemetry::Wait wait(context.span(), telemetry::WaitKind::external_host);
    co_await impl.wait_for_slot(context, host);
    const internal::HeldSlot slot(impl.slots);
    transfer->deadline = context.deadline().sooner(Deadline::in(impl.options.transfer_timeout));
    impl.engine.start(transfer);
    const internal::AbandonUnfinished abandon(impl.engine, *transfer);
    co_await impl.wait_for_answer(context, *transfer);
    impl.count(transfer->outcome);
    if (transfer->outcome != HttpOutcome::answered) impl.fail(*transfer, context, host);
    co_return std::move(transfer->response);
}

}  // namespace loadstone::outbound
