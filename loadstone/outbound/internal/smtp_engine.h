#pragma once
// SmtpEngine: mails to one server. One thread with one libcurl multi handle drives all
// connections; a connection takes one mail after another and is kept for a while when idle.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "loadstone/outbound/internal/smtp_dialogue.h"
#include "loadstone/outbound/internal/smtp_url.h"
#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/event.h"

namespace loadstone::outbound::internal {

// One attempt. Filled by the caller up to `deadline`, then the engine's until `finished` is set.
struct SmtpTransfer {
    std::string from, to;
    std::string data;  // from to_smtp_data
    bool utf8 = false;
    runtime::Deadline deadline = runtime::Deadline::unbounded();

    std::atomic<bool> abandoned{false};
    SmtpVerdict verdict;
    runtime::Event finished;
};

struct SmtpEngineOptions {
    SmtpServer server;
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds idle_max{15'000};  // below what servers allow
    int mails_per_connection_max = 100;
};

class SmtpEngine {
public:
    explicit SmtpEngine(const SmtpEngineOptions& options);
    ~SmtpEngine();  // stops
    SmtpEngine(const SmtpEngine&) = delete;
    SmtpEngine& operator=(const SmtpEngine&) = delete;

    // Every transfer is finished, at its deadline or at stop() at the latest. Each that is under
    // way has a connection of its own: the caller bounds their number. From any thread.
    void start(std::shared_ptr<SmtpTransfer> transfer);
    // Ends it soon: deferred, or unknown if its final dot is out.
    void abandon(SmtpTransfer& transfer);
    // Ends all transfers as abandon does; later ones are not tried. Joins. Idempotent.
    void stop();

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::outbound::internal
