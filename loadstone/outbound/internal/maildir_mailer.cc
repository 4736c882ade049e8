#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/outbound/internal/mail_metrics.h"
#include "loadstone/outbound/internal/maildir.h"
#include "loadstone/runtime/cpu.h"
#include "loadstone/runtime/event.h"

namespace loadstone::outbound::internal {

namespace {

constexpr std::size_t queue_max = 4096;
constexpr std::size_t batch_max = 64;  // share one sync of the folder
constexpr std::chrono::milliseconds queue_retry_after{1000};
constexpr std::chrono::milliseconds cancellation_slice{100};

struct Delivery {
    Maildir::Mail mail;
    std::atomic<bool> abandoned{false};
    MailResult result;
    bool tried = false;
    runtime::Event finished;
};

// A caller that gave up, or was destroyed while it waits, is passed over.
class Abandon {
public:
    explicit Abandon(Delivery& delivery) noexcept : delivery_(delivery) {}
    ~Abandon() { delivery_.abandoned.store(true, std::memory_order_relaxed); }
    Abandon(const Abandon&) = delete;
    Abandon& operator=(const Abandon&) = delete;

private:
    Delivery& delivery_;
};

class MaildirMailer final : public Mailer {
public:
    MaildirMailer(const std::string& path, Mailbox sender, telemetry::Registry& registry)
        : sender_(std::move(sender)), metrics_(registry), maildir_(path) {
        thread_ = std::thread([this] { run(); });
    }
    ~MaildirMailer() override { stop(); }

    Task<MailResult> send(Context& context, const MailMessage& message) override;
    const Mailbox& sender() const noexcept override { return sender_; }
    void stop() override;

private:
    void enqueue(std::shared_ptr<Delivery> delivery);
    void run();
    std::vector<std::shared_ptr<Delivery>> take_batch();
    void write(std::vector<std::shared_ptr<Delivery>> batch);
    [[noreturn]] void turn_back(telemetry::Counter& counter, std::string_view why);

    const Mailbox sender_;
    MailMetrics metrics_;
    Maildir maildir_;
    bool failing_ = false;  // the thread's own
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<Delivery>> queue_;  // guarded by mutex_
    bool stopping_ = false;                        // guarded by mutex_
    std::thread thread_;
};

void MaildirMailer::turn_back(telemetry::Counter& counter, std::string_view why) {
    counter.add();
    throw Error(Errc::unavailable, fmt::format("mail to the maildir not tried: {}", why))
        .with_retry_after(queue_retry_after);
}

void MaildirMailer::enqueue(std::shared_ptr<Delivery> delivery) {
    bool full = false;
    {
        std::lock_guard lock(mutex_);
        if (stopping_) turn_back(metrics_.out_of_time, "the mailer stops");
        full = queue_.size() >= queue_max;
        if (!full) queue_.push_back(std::move(delivery));
    }
    if (full) {
        turn_back(metrics_.queue_full, fmt::format("{} mails wait already, the limit", queue_max));
    }
    changed_.notify_one();
}

Task<MailResult> MaildirMailer::send(Context& context, const MailMessage& message) {
    if (context.transaction() != nullptr)
        context.require_no_transaction("mail to " + provider_of(message.to.address));
    context.throw_if_done("sending mail");
    auto delivery = std::make_shared<Delivery>();
    delivery->mail.content = render_mail(message, Timestamp::now());
    delivery->mail.name = maildir_name(message.message_id);
    const telemetry::Wait wait(context.span(), telemetry::WaitKind::external_host);
    const MailMetrics::Scope waiting(metrics_.waiting);
    enqueue(delivery);
    const Abandon abandon(*delivery);
    for (;;) {
        const Deadline slice = Deadline::in(cancellation_slice);
        const bool finished = co_await delivery->finished.wait(slice);
        if (finished) break;
        // What the thread has not begun it passes over; what it has begun is waited for.
        if (context.is_cancelled() || context.deadline().passed()) {
            delivery->abandoned.store(true, std::memory_order_relaxed);
        }
    }
    if (!delivery->tried)
        turn_back(metrics_.out_of_time, "it was not its turn within the deadline");
    metrics_.count(delivery->result.outcome);
    co_return delivery->result;
}

void MaildirMailer::run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "maildir");
    runtime::run_in_background();
    for (;;) {
        std::vector<std::shared_ptr<Delivery>> batch = take_batch();
        if (batch.empty()) return;
        write(std::move(batch));
    }
}

// Empty when stopped and nothing is left.
std::vector<std::shared_ptr<Delivery>> MaildirMailer::take_batch() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), batch_max));
    std::vector<std::shared_ptr<Delivery>> batch(std::make_move_iterator(queue_.begin()),
                                                 std::make_move_iterator(queue_.begin() + count));
    queue_.erase(queue_.begin(), queue_.begin() + count);
    return batch;
}

void MaildirMailer::write(std::vector<std::shared_ptr<Delivery>> batch) {
    std::vector<Maildir::Mail> mails;
    std::vector<Delivery*> tried;
    for (const std::shared_ptr<Delivery>& delivery : batch) {
        if (delivery->abandoned.load(std::memory_order_relaxed)) continue;
        delivery->tried = true;
        tried.push_back(delivery.get());
        mails.push_back(std::move(delivery->mail));
    }
    std::vector<MailResult> results;
    if (!mails.empty()) {
        const MailMetrics::Scope in_flight(metrics_.in_flight);
        results = maildir_.deliver(mails);
    }
    for (std::size_t i = 0; i < tried.size(); ++i) {
        const bool failed = results[i].outcome != MailOutcome::sent;
        if (failed && !failing_) {
            log::error("mail cannot be stored", {{"detail", results[i].detail}});
        }
        failing_ = failed;
        tried[i]->result = std::move(results[i]);
    }
    for (const std::shared_ptr<Delivery>& delivery : batch) delivery->finished.set();
}

void MaildirMailer::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

}  // namespace

std::unique_ptr<Mailer> make_maildir_mailer(const std::string& path, Mailbox sender,
                                            telemetry::Registry& registry) {
    return std::make_unique<MaildirMailer>(path, std::move(sender), registry);
}

}  // namespace loadstone::outbound::internal
