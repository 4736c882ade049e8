#include "loadstone/outbound/internal/smtp_mailer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "loadstone/admission/provider_throttles.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/base/log_throttle.h"
#include "loadstone/base/random.h"
#include "loadstone/outbound/internal/mail_address.h"
#include "loadstone/outbound/internal/mail_metrics.h"
#include "loadstone/outbound/internal/smtp_engine.h"
#include "loadstone/outbound/internal/transfer.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/semaphore.h"

namespace loadstone::outbound::internal {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t waiters_max = 4096;
constexpr milliseconds queue_retry_after{1000};
// How soon a cancelled caller is noticed.
constexpr milliseconds cancellation_slice{100};

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    fill_secret(std::as_writable_bytes(std::span(&seed, 1)));
    return seed;
}

admission::ProviderThrottlesOptions throttle_options(const MailOptions& options) {
    admission::ProviderThrottlesOptions throttles;
    throttles.name = "mail";
    throttles.each.rate_min = options.rate_min;
    throttles.each.rate_max = options.rate_max;
    throttles.each.hold_default = options.throttle_pause;
    throttles.each.burst = static_cast<std::uint32_t>(options.transfers_max);
    throttles.each.probe_max = options.transfer_timeout + std::chrono::seconds(1);
    throttles.providers_max = 1;
    throttles.seed = random_seed();
    return throttles;
}

SmtpEngineOptions engine_options(const MailOptions& options, const SmtpServer& server) {
    SmtpEngineOptions engine;
    engine.server = server;
    engine.connect_timeout = options.connect_timeout;
    return engine;
}

class SmtpMailer final : public Mailer {
public:
    SmtpMailer(const MailOptions& options, const SmtpServer& server, Mailbox sender,
               telemetry::Registry& registry)
        : provider_(server.name),
          sender_(std::move(sender)),
          transfer_timeout_(options.transfer_timeout),
          resends_unknown_(options.resend_unknown),
          metrics_(registry),
          throttles_(throttle_options(options), registry),
          slots_(options.transfers_max, waiters_max),
          engine_(engine_options(options, server)) {}
    ~SmtpMailer() override { stop(); }

    Task<MailResult> send(Context& context, const MailMessage& message) override;
    const Mailbox& sender() const noexcept override { return sender_; }
    bool resends_unknown() const noexcept override { return resends_unknown_; }
    void stop() override {
        stopping_.store(true, std::memory_order_relaxed);
        engine_.stop();
    }

private:
    std::shared_ptr<SmtpTransfer> prepare(const MailMessage& message) const;
    Task<void> wait_for_slot(Context& context);
    Task<void> wait_for_turn(Context& context);
    Task<void> hand_over(Context& context, std::shared_ptr<SmtpTransfer> transfer);
    void learn(const SmtpVerdict& verdict);
    void complain(const SmtpVerdict& verdict);
    [[noreturn]] void turn_back(telemetry::Counter& counter, std::string why, nanoseconds wait);

    const std::string provider_;
    const Mailbox sender_;
    const milliseconds transfer_timeout_;
    const bool resends_unknown_;
    MailMetrics metrics_;
    admission::ProviderThrottles throttles_;
    runtime::Semaphore slots_;
    std::atomic<bool> stopping_{false};
    log::Throttle complaints_{std::chrono::seconds(10)};
    SmtpEngine engine_;
};

void SmtpMailer::turn_back(telemetry::Counter& counter, std::string why, nanoseconds wait) {
    counter.add();
    const auto retry_after = std::max(std::chrono::ceil<milliseconds>(wait), milliseconds(1));
    throw Error(Errc::unavailable, fmt::format("mail to {} not tried: {}", provider_, why))
        .with_retry_after(retry_after);
}

std::shared_ptr<SmtpTransfer> SmtpMailer::prepare(const MailMessage& message) const {
    auto transfer = std::make_shared<SmtpTransfer>();
    transfer->data = to_smtp_data(render_mail(message, Timestamp::now()));
    transfer->from = message.from.address;
    transfer->to = message.to.address;
    transfer->utf8 = !is_ascii(transfer->from) || !is_ascii(transfer->to);
    return transfer;
}

Task<void> SmtpMailer::wait_for_slot(Context& context) {
    const runtime::Acquired acquired = co_await slots_.acquire(context.deadline());
    if (acquired == runtime::Acquired::queue_full) {
        turn_back(metrics_.queue_full, fmt::format("{} mails wait already, the limit", waiters_max),
                  queue_retry_after);
    }
    if (acquired == runtime::Acquired::deadline_passed) {
        turn_back(metrics_.out_of_time, "no connection was free within the deadline",
                  queue_retry_after);
    }
}

// Until the provider's rate allows one more, then it counts as under way.
Task<void> SmtpMailer::wait_for_turn(Context& context) {
    for (;;) {
        if (context.is_cancelled()) context.throw_if_done("sending mail");
        const auto now = Clock::now();
        if (stopping_.load(std::memory_order_relaxed)) {
            turn_back(metrics_.out_of_time, "the mailer stops", queue_retry_after);
        }
        if (now >= context.deadline().instant()) {
            turn_back(metrics_.out_of_time, "the deadline has passed", queue_retry_after);
        }
        const admission::ProviderDecision decision = throttles_.acquire(provider_, now);
        if (decision.allowed()) co_return;
        if (decision.by == admission::ThrottledBy::breaker) {
            turn_back(metrics_.breaker_open, "it failed repeatedly, the breaker is open",
                      decision.wait);
        }
        if (decision.wait >= context.deadline().instant() - now) {
            turn_back(metrics_.out_of_time,
                      decision.by == admission::ThrottledBy::hold
                          ? "it asked for a pause beyond the deadline"
                          : "its rate allows the next one after the deadline",
                      decision.wait);
        }
        const nanoseconds slice = std::min<nanoseconds>(decision.wait, cancellation_slice);
        const Deadline until(now + slice);
        co_await runtime::sleep_until(until);
    }
}

Task<void> SmtpMailer::hand_over(Context& context, std::shared_ptr<SmtpTransfer> transfer) {
    const MailMetrics::Scope in_flight(metrics_.in_flight);
    transfer->deadline = context.deadline().sooner(Deadline::in(transfer_timeout_));
    engine_.start(transfer);
    const AbandonUnfinished abandon(engine_, *transfer);
    for (;;) {
        // The engine ends it at its deadline.
        const Deadline slice = Deadline::in(cancellation_slice);
        const bool finished = co_await transfer->finished.wait(slice);
        if (finished) co_return;
        if (context.is_cancelled()) engine_.abandon(*transfer);
    }
}

Task<MailResult> SmtpMailer::send(Context& context, const MailMessage& message) {
    if (context.transaction() != nullptr)
        context.require_no_transaction("mail to " + provider_of(message.to.address));
    const std::shared_ptr<SmtpTransfer> transfer = prepare(message);
    const telemetry::Wait wait(context.span(), telemetry::WaitKind::external_host);
    std::optional<MailMetrics::Scope> waiting(std::in_place, metrics_.waiting);
    co_await wait_for_slot(context);
    const HeldSlot slot(slots_);
    co_await wait_for_turn(context);
    waiting.reset();
    co_await hand_over(context, transfer);
    const SmtpVerdict& verdict = transfer->verdict;
    learn(verdict);
    metrics_.count(verdict.result.outcome);
    if (verdict.configuration_at_fault) complain(verdict);
    co_return verdict.result;
}

void SmtpMailer::learn(const SmtpVerdict& verdict) {
    const auto now = Clock::now();
    switch (verdict.health) {
        case ProviderHealth::answered:
            if (throttles_.on_success(provider_, now))
                log::info("the mail server is reached again", {{"server", provider_}});
            return;
        case ProviderHealth::throttling:
            return throttles_.on_throttled(provider_, now, std::nullopt);
        case ProviderHealth::failing:
            if (throttles_.on_failure(provider_, now))
                log::warning("the mail server cannot be reached; mail waits",
                             {{"server", provider_}, {"error", verdict.result.detail}});
            return;
        case ProviderHealth::not_told: return;
    }
}

// Mails pile up until somebody looks: said aloud, but not once for each of them.
void SmtpMailer::complain(const SmtpVerdict& verdict) {
    const auto unsaid = complaints_.take(Clock::now());
    if (!unsaid) return;
    log::error("mail server refuses us: check the mail URL, its account and the sender",
               {{"server", provider_},
                {"code", verdict.result.code},
                {"detail", verdict.result.detail},
                {"sender", sender_.address},
                {"unsaid", *unsaid}});
}

}  // namespace

std::unique_ptr<Mailer> make_smtp_mailer(const MailOptions& options, const SmtpServer& server,
                                         Mailbox sender, telemetry::Registry& registry) {
    return std::make_unique<SmtpMailer>(options, server, std::move(sender), registry);
}

}  // namespace loadstone::outbound::internal
