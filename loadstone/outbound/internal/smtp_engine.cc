#include "loadstone/outbound/internal/smtp_engine.h"

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/outbound/internal/curl.h"
#include "loadstone/outbound/internal/smtp_connection.h"

namespace loadstone::outbound::internal {

namespace {

using Clock = std::chrono::steady_clock;
using Io = SmtpConnection::Io;

constexpr std::size_t send_bytes_max =
    64 * 1024;  // at once, so that one mail does not hold the rest
constexpr std::chrono::milliseconds poll_max{1000};

// A connection and the mail that is on it.
struct Link {
    Link(CURLM* multi, const SmtpEngineOptions& options)
        : wire(multi, options.server, options.connect_timeout) {}

    bool is_idle() const noexcept { return is_connected && transfer == nullptr; }

    SmtpConnection wire;
    std::shared_ptr<SmtpTransfer> transfer;
    std::optional<SmtpDialogue> dialogue;  // from is_connected on, while there is a transfer
    bool is_connected = false;
    bool was_refused = false;
    int mails = 0;
    Clock::time_point idle_since;
};

}  // namespace

struct SmtpEngine::Impl {
    explicit Impl(const SmtpEngineOptions& engine_options) : options(engine_options) {}

    void run();
    void take_new();
    void end_due(Clock::time_point now);
    void finish_connecting();
    void poll(Clock::time_point now);
    void end_all();

    void assign(std::shared_ptr<SmtpTransfer> transfer, bool on_new_connection);
    void assign_new(std::shared_ptr<SmtpTransfer> transfer);
    Link* find_idle();
    void begin(Link& link);
    void step(Link& link);
    bool receive(Link& link);
    void settle(Link& link);
    void give_up(Link& link, std::string_view why, ProviderHealth health);
    void close(Link& link, bool with_quit);

    const SmtpEngineOptions options;
    Multi multi;
    std::mutex mutex;
    std::vector<std::shared_ptr<SmtpTransfer>> waiting;  // guarded by mutex
    bool stopping = false;                               // guarded by mutex
    std::vector<std::unique_ptr<Link>> links;            // the thread's own, as all below
    std::vector<curl_waitfd> poll_set;
    std::thread thread;
};

namespace {

// What a server says on an idle connection is farewell. (TLS has records that say nothing.)
bool is_quiet(Link& link) noexcept {
    char byte = 0;
    return link.wire.receive(std::span(&byte, 1)).io == Io::again;
}

void finish(SmtpTransfer& transfer, const SmtpVerdict& verdict) {
    transfer.verdict = verdict;
    transfer.finished.set();
}

SmtpVerdict not_tried(std::string why, ProviderHealth health) {
    SmtpVerdict verdict;
    verdict.result.detail = std::move(why);
    verdict.health = health;
    return verdict;
}

}  // namespace

void SmtpEngine::Impl::run() {
    begin_engine_thread("smtp");
    for (;;) {
        {
            std::lock_guard lock(mutex);
            if (stopping) break;
        }
        take_new();
        int running = 0;
        curl_multi_perform(multi.handle, &running);
        finish_connecting();
        const auto now = Clock::now();
        end_due(now);
        poll(now);
    }
    end_all();
}

void SmtpEngine::Impl::take_new() {
    std::vector<std::shared_ptr<SmtpTransfer>> taken;
    {
        std::lock_guard lock(mutex);
        taken.swap(waiting);
    }
    for (std::shared_ptr<SmtpTransfer>& transfer : taken) assign(std::move(transfer), false);
}

void SmtpEngine::Impl::assign(std::shared_ptr<SmtpTransfer> transfer, bool on_new_connection) {
    Link* idle = on_new_connection ? nullptr : find_idle();
    if (idle == nullptr) return assign_new(std::move(transfer));
    idle->transfer = std::move(transfer);
    begin(*idle);
}

void SmtpEngine::Impl::assign_new(std::shared_ptr<SmtpTransfer> transfer) {
    try {
        Link& link = *links.emplace_back(std::make_unique<Link>(multi.handle, options));
        link.transfer = std::move(transfer);
    } catch (const std::bad_alloc&) {
        finish(*transfer, not_tried("no memory for a connection", ProviderHealth::not_told));
    }
}

// The one that was used last; those that the server has closed meanwhile go away.
Link* SmtpEngine::Impl::find_idle() {
    for (;;) {
        Link* best = nullptr;
        for (const std::unique_ptr<Link>& link : links) {
            if (!link->is_idle()) continue;
            if (best == nullptr || link->idle_since > best->idle_since) best = link.get();
        }
        if (best == nullptr) return nullptr;
        if (is_quiet(*best)) return best;
        close(*best, false);
    }
}

void SmtpEngine::Impl::finish_connecting() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.handle, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        SmtpConnection& wire = SmtpConnection::of(message->easy_handle);
        const auto found = std::ranges::find_if(
            links, [&](const std::unique_ptr<Link>& link) { return &link->wire == &wire; });
        LOADSTONE_ASSERT(found != links.end(), "a handle of the multi belongs to a link");
        Link& link = **found;
        if (wire.connected(message->data.result)) {
            link.is_connected = true;
            begin(link);
        } else {
            finish(*link.transfer, wire.verdict());
            link.transfer = nullptr;
            close(link, false);
        }
    }
}

void SmtpEngine::Impl::begin(Link& link) {
    const SmtpTransfer& transfer = *link.transfer;
    if (transfer.utf8 && !link.wire.offers_utf8()) {
        SmtpVerdict verdict;
        verdict.result.outcome = MailOutcome::rejected;
        verdict.result.detail = "the server takes no addresses beyond ASCII (SMTPUTF8)";
        verdict.health = ProviderHealth::answered;
        finish(*std::exchange(link.transfer, nullptr), verdict);
        link.idle_since = Clock::now();
        return;
    }
    SmtpDialogue::Options begin;
    begin.from = transfer.from;
    begin.to = transfer.to;
    begin.data = transfer.data;
    begin.utf8 = transfer.utf8;
    begin.after_refusal = link.was_refused;
    link.dialogue.emplace(begin);
    step(link);
}

// Receives before it sends: a reply in the middle of the message ends the message. The link may be
// gone afterwards.
void SmtpEngine::Impl::step(Link& link) {
    SmtpDialogue& dialogue = *link.dialogue;
    for (;;) {
        if (!receive(link)) return;
        if (dialogue.is_done()) return settle(link);
        const std::string_view outgoing = dialogue.outgoing().substr(0, send_bytes_max);
        if (outgoing.empty()) return;
        const SmtpConnection::IoResult sent = link.wire.send(outgoing);
        if (sent.io == Io::again) return;
        if (sent.io == Io::closed) {
            // What the server said before it closed may still be there.
            if (!receive(link)) return;
            if (!dialogue.is_done()) dialogue.lost(sent.why, ProviderHealth::failing);
            return settle(link);
        }
        dialogue.sent(sent.bytes);
    }
}

// Takes all that is there. False if that ended the connection and the link is gone.
bool SmtpEngine::Impl::receive(Link& link) {
    std::array<char, 4096> bytes;
    while (!link.dialogue->is_done()) {
        const SmtpConnection::IoResult got = link.wire.receive(bytes);
        if (got.io == Io::again) return true;
        if (got.io == Io::closed) {
            link.dialogue->lost(got.why, ProviderHealth::failing);
            settle(link);
            return false;
        }
        link.dialogue->received(std::string_view(bytes.data(), got.bytes));
    }
    return true;
}

// After the dialogue is done: the transfer gets its verdict, the connection is kept or closed.
void SmtpEngine::Impl::settle(Link& link) {
    const bool was_idle_before = link.mails > 0;
    std::shared_ptr<SmtpTransfer> transfer = std::exchange(link.transfer, nullptr);
    if (was_idle_before && link.dialogue->found_connection_closed()) {
        close(link, false);
        return assign(std::move(transfer), true);
    }
    finish(*transfer, link.dialogue->verdict());
    const bool usable = link.dialogue->connection_is_usable();
    link.was_refused = link.dialogue->was_refused();
    link.dialogue.reset();
    link.idle_since = Clock::now();
    ++link.mails;
    if (!usable || link.mails >= options.mails_per_connection_max) close(link, usable);
}

void SmtpEngine::Impl::give_up(Link& link, std::string_view why, ProviderHealth health) {
    const std::shared_ptr<SmtpTransfer> transfer = std::exchange(link.transfer, nullptr);
    if (link.dialogue) {
        link.dialogue->lost(why, health);
        finish(*transfer, link.dialogue->verdict());
    } else {
        finish(*transfer, not_tried("while connecting: " + std::string(why), health));
    }
    close(link, false);
}

void SmtpEngine::Impl::close(Link& link, bool with_quit) {
    if (with_quit) link.wire.send("QUIT\r\n");
    const auto found = std::ranges::find_if(
        links, [&](const std::unique_ptr<Link>& each) { return each.get() == &link; });
    std::swap(*found, links.back());
    links.pop_back();
}

void SmtpEngine::Impl::end_due(Clock::time_point now) {
    for (std::size_t i = links.size(); i-- > 0;) {
        Link& link = *links[i];
        if (link.is_idle()) {
            if (now - link.idle_since >= options.idle_max) close(link, true);
        } else if (link.transfer->abandoned.load(std::memory_order_relaxed)) {
            give_up(link, "given up", ProviderHealth::not_told);
        } else if (now >= link.transfer->deadline.instant()) {
            give_up(link, "no reply within the time", ProviderHealth::failing);
        }
    }
}

void SmtpEngine::Impl::poll(Clock::time_point now) {
    poll_set.clear();
    auto until = now + poll_max;
    for (const std::unique_ptr<Link>& link : links) {
        if (link->is_idle()) {
            until = std::min(until, link->idle_since + options.idle_max);
        } else {
            until = std::min(until, link->transfer->deadline.instant());
        }
        if (!link->is_connected) continue;
        const bool has_outgoing = link->dialogue && !link->dialogue->outgoing().empty();
        const auto events = static_cast<short>(has_outgoing ? CURL_WAIT_POLLIN | CURL_WAIT_POLLOUT
                                                            : CURL_WAIT_POLLIN);
        poll_set.push_back({link->wire.socket(), events, 0});
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    curl_multi_poll(multi.handle, poll_set.data(), static_cast<unsigned>(poll_set.size()),
                    static_cast<int>(std::max<long>(wait.count(), 0)), nullptr);
    for (const curl_waitfd& polled : poll_set) {
        if (polled.revents == 0) continue;
        // A step may end links and begin others, on other sockets.
        const auto found = std::ranges::find_if(links, [&](const std::unique_ptr<Link>& link) {
            return link->is_connected && link->wire.socket() == polled.fd;
        });
        if (found == links.end()) continue;
        if (!(*found)->is_idle()) {
            step(**found);
        } else if (!is_quiet(**found)) {
            close(**found, false);
        }
    }
}

void SmtpEngine::Impl::end_all() {
    while (!links.empty()) {
        Link& link = *links.back();
        if (link.is_idle()) {
            close(link, true);
        } else {
            give_up(link, "the mailer stops", ProviderHealth::not_told);
        }
    }
    std::lock_guard lock(mutex);
    for (const std::shared_ptr<SmtpTransfer>& transfer : waiting) {
        finish(*transfer, not_tried("the mailer stops", ProviderHealth::not_told));
    }
    waiting.clear();
}

SmtpEngine::SmtpEngine(const SmtpEngineOptions& options) {
    initialise_curl();
    impl_ = std::make_unique<Impl>(options);
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

SmtpEngine::~SmtpEngine() { stop(); }

void SmtpEngine::start(std::shared_ptr<SmtpTransfer> transfer) {
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->stopping) {
            return finish(*transfer, not_tried("the mailer stops", ProviderHealth::not_told));
        }
        impl_->waiting.push_back(std::move(transfer));
    }
    curl_multi_wakeup(impl_->multi.handle);
}

void SmtpEngine::abandon(SmtpTransfer& transfer) {
    transfer.abandoned.store(true, std::memory_order_relaxed);
    curl_multi_wakeup(impl_->multi.handle);
}

void SmtpEngine::stop() {
    {
        std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
    }
    curl_multi_wakeup(impl_->multi.handle);
    if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace loadstone::outbound::internal
