#include "loadstone/outbound/internal/http_engine.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "loadstone/outbound/internal/curl.h"
#include "loadstone/outbound/internal/http_easy.h"
#include "loadstone/outbound/internal/smtp_reply.h"

namespace loadstone::outbound::internal {

namespace {

using Clock = runtime::Deadline::Clock;

constexpr std::chrono::milliseconds poll_max{1'000};
constexpr std::size_t header_bytes_max = 64 * 1024;
constexpr std::chrono::hours retry_after_max{24};

// One transfer as libcurl has it. Of the engine's thread.
class Exchange {
public:
    Exchange(CURLM* multi, const HttpClientOptions& options, std::shared_ptr<HttpTransfer> transfer)
        : multi_(multi), transfer_(std::move(transfer)), easy_(curl_easy_init()) {
        if (easy_ == nullptr) throw std::bad_alloc();
        configure(options);
        if (curl_multi_add_handle(multi_, easy_.get()) != CURLM_OK) throw std::bad_alloc();
    }
    ~Exchange() { curl_multi_remove_handle(multi_, easy_.get()); }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    static Exchange& of(CURL* handle) {
        char* self = nullptr;
        curl_easy_getinfo(handle, CURLINFO_PRIVATE, &self);
        return *reinterpret_cast<Exchange*>(self);
    }

    HttpTransfer& transfer() noexcept { return *transfer_; }
    void finish(CURLcode code);
    void end(HttpOutcome outcome, std::string why) {
        transfer_->outcome = outcome;
        transfer_->why = std::move(why);
        transfer_->finished.set();
    }

private:
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
    void configure(const HttpClientOptions& options);

    CURLM* multi_;
    const std::shared_ptr<HttpTransfer> transfer_;
    HeaderList headers_;  // outlives what uses it
    Easy easy_;
    std::size_t header_bytes_ = 0;
    bool is_too_large_ = false;
    char fault_[CURL_ERROR_SIZE] = {};
};

void Exchange::configure(const HttpClientOptions& options) {
    for (const std::string& line : transfer_->header_lines) headers_.add(line);
    CURL* const easy = easy_.get();
    set_option(easy, CURLOPT_PRIVATE, static_cast<void*>(this));
    set_option(easy, CURLOPT_URL, transfer_->url.c_str());
    configure_easy(easy, options);
    set_option(easy, CURLOPT_HTTPHEADER, headers_.get());
    set_option(easy, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(transfer_->body_bytes_max));
    set_option(easy, CURLOPT_ERRORBUFFER, static_cast<char*>(fault_));
    set_option(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
    set_option(easy, CURLOPT_WRITEDATA, static_cast<void*>(this));
    set_option(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
    set_option(easy, CURLOPT_HEADERDATA, static_cast<void*>(this));
}

std::size_t Exchange::on_body(char* data, std::size_t size, std::size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    std::string& body = exchange.transfer_->response.body;
    const std::size_t bytes = size * count;
    if (bytes > exchange.transfer_->body_bytes_max - body.size()) {
        exchange.is_too_large_ = true;
        return 0;
    }
    body.append(data, bytes);
    return bytes;
}

std::size_t Exchange::on_header(char* data, std::size_t size, std::size_t count, void* self) {
    static_cast<void>(data);
    auto& exchange = *static_cast<Exchange*>(self);
    exchange.header_bytes_ += size * count;
    if (exchange.header_bytes_ <= header_bytes_max) return size * count;
    exchange.is_too_large_ = true;
    return 0;
}

void Exchange::finish(CURLcode code) {
    if (is_too_large_ || code == CURLE_FILESIZE_EXCEEDED) return end(HttpOutcome::too_large, "");
    if (code != CURLE_OK)
        return end(HttpOutcome::failed,
                   fault_[0] != '\0' ? one_line(fault_) : curl_easy_strerror(code));
    CURL* const easy = easy_.get();
    HttpResponse& response = transfer_->response;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    const char* type = nullptr;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) response.content_type = type;
    curl_header* field = nullptr;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    // Of a time that has passed it is below 0, of what is neither number nor time it is 0.
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &field) == CURLHE_OK)
        response.retry_after = std::chrono::seconds(
            std::clamp<curl_off_t>(retry_after, 0, std::chrono::seconds(retry_after_max).count()));
    end(HttpOutcome::answered, "");
}

}  // namespace

struct HttpEngine::Impl {
    explicit Impl(const HttpClientOptions& client_options) : options(client_options) {
        curl_multi_setopt(multi.handle, CURLMOPT_MAXCONNECTS,
                          static_cast<long>(options.transfers_max));
    }

    void run();
    void take_new();
    void finish_done();
    void end_due(Clock::time_point now);
    void poll(Clock::time_point now);
    void remove(Exchange& exchange);

    const HttpClientOptions options;
    Multi multi;
    std::mutex mutex;
    std::vector<std::shared_ptr<HttpTransfer>> waiting;  // guarded by mutex
    bool stopping = false;                               // guarded by mutex
    std::vector<std::unique_ptr<Exchange>> exchanges;    // the thread's own
    std::thread thread;
};

void HttpEngine::Impl::run() {
    begin_engine_thread("http");
    for (;;) {
        {
            const std::lock_guard lock(mutex);
            if (stopping) break;
        }
        take_new();
        int running = 0;
        curl_multi_perform(multi.handle, &running);
        finish_done();
        const auto now = Clock::now();
        end_due(now);
        poll(now);
    }
    take_new();
    for (const auto& exchange : exchanges) exchange->end(HttpOutcome::failed, "the client stops");
    exchanges.clear();
}

void HttpEngine::Impl::take_new() {
    std::vector<std::shared_ptr<HttpTransfer>> taken;
    {
        const std::lock_guard lock(mutex);
        taken.swap(waiting);
    }
    for (std::shared_ptr<HttpTransfer>& transfer : taken) {
        try {
            exchanges.push_back(std::make_unique<Exchange>(multi.handle, options, transfer));
        } catch (const std::bad_alloc&) {
            transfer->why = "no memory for a connection";
            transfer->finished.set();
        }
    }
}

void HttpEngine::Impl::finish_done() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.handle, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        Exchange& exchange = Exchange::of(message->easy_handle);
        exchange.finish(message->data.result);
        remove(exchange);
    }
}

void HttpEngine::Impl::end_due(Clock::time_point now) {
    for (std::size_t i = exchanges.size(); i-- > 0;) {
        Exchange& exchange = *exchanges[i];
        if (exchange.transfer().abandoned.load(std::memory_order_relaxed)) {
            exchange.end(HttpOutcome::abandoned, "");
        } else if (now >= exchange.transfer().deadline.instant()) {
            exchange.end(HttpOutcome::late, "");
        } else {
            continue;
        }
        remove(exchange);
    }
}

void HttpEngine::Impl::poll(Clock::time_point now) {
    auto until = now + poll_max;
    for (const auto& exchange : exchanges)
        until = std::min(until, exchange->transfer().deadline.instant());
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    curl_multi_poll(multi.handle, nullptr, 0, static_cast<int>(wait.count()), nullptr);
}

void HttpEngine::Impl::remove(Exchange& exchange) {
    const auto found =
        std::ranges::find_if(exchanges, [&](const auto& each) { return each.get() == &exchange; });
    std::swap(*found, exchanges.back());
    exchanges.pop_back();
}

HttpEngine::HttpEngine(const HttpClientOptions& options) {
    initialise_curl();
    impl_ = std::make_unique<Impl>(options);
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

HttpEngine::~HttpEngine() { stop(); }

void HttpEngine::start(std::shared_ptr<HttpTransfer> transfer) {
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->stopping) {
            transfer->why = "the client stops";
            transfer->finished.set();
            return;
        }
        impl_->waiting.push_back(std::move(transfer));
    }
    curl_multi_wakeup(impl_->multi.handle);
}

void HttpEngine::abandon(HttpTransfer& transfer) {
    transfer.abandoned.store(true, std::memory_order_relaxed);
    curl_multi_wakeup(impl_->multi.handle);
}

void HttpEngine::stop() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
    }
    curl_multi_wakeup(impl_->multi.handle);
    if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace loadstone::outbound::internal
