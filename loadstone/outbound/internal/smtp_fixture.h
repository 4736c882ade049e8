#pragma once
// What the tests of mail over SMTP share. They run against a real server,
// tests/support/smtp_server.py.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/testing.h"
#include "loadstone/outbound/mail.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::outbound::internal {

using outbound::testing::read_file;
using outbound::testing::read_mail;
using outbound::testing::SmtpServerProcess;
using outbound::testing::TempFolder;
using runtime::testing::wait_until;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline Task<MailResult> send(Mailer* mailer, MailMessage message, Deadline deadline) {
    const runtime::Services services;
    Context context(services, deadline);
    co_return co_await mailer->send(context, message);
}

inline MailMessage letter(int number = 1) {
    MailMessage message;
    message.from = {"Campus", "campus@example.org"};
    message.to = {"Ada Lovelace", "ada@example.org"};
    message.subject = "Welcome";
    message.text = "Welcome.\n";
    message.message_id = "<job-" + std::to_string(number) + "@example.org>";
    return message;
}

inline Task<void> count_sent(Mailer* mailer, int number, std::atomic<int>* sent) {
    const MailResult result = co_await send(mailer, letter(number), Deadline::in(seconds(25)));
    if (result.outcome == MailOutcome::sent) ++*sent;
}

// More than a connection's buffers take: it is still being sent when the server ends it.
inline MailMessage long_letter() {
    MailMessage message = letter();
    while (message.text.size() < 7'000'000)
        message.text += ".line with a dot, and one without\n..\n";
    return message;
}

struct SmtpSetup {
    SmtpSetup() { loops.start(); }
    ~SmtpSetup() {
        if (mailer) mailer->stop();
    }

    void open(const SmtpServerProcess& server, const std::string& scheme = "smtp://") {
        options.url = scheme + "127.0.0.1:" + std::to_string(server.port());
        open();
    }
    void open() { mailer = Mailer::open(options, registry); }
    MailResult send_now(const MailMessage& message, Deadline deadline = Deadline::in(seconds(25))) {
        return runtime::testing::run_blocking(loops.executor(0),
                                              send(mailer.get(), message, deadline));
    }
    // The Error that was thrown instead.
    Error turned_back(const MailMessage& message, Deadline deadline) {
        try {
            const MailResult result = send_now(message, deadline);
            return Error(Errc::internal, "it was tried: " + result.detail);
        } catch (const Error& error) {
            return error;
        }
    }
    double metric(const std::string& series) {
        const std::string all = registry.prometheus();
        const std::size_t at = all.find("\n" + series + " ");
        if (at == std::string::npos) return -1;
        const char* const value = all.c_str() + at + series.size() + 2;
        return std::strtod(value, nullptr);
    }

    telemetry::Registry registry;
    runtime::Loops loops{runtime::LoopsOptions{.threads = 2}, registry};
    MailOptions options;
    std::unique_ptr<Mailer> mailer;
};

// One mail whose context the test holds.
struct Call {
    Call(Mailer* to, runtime::Loops& loops, Deadline deadline) : context(services, deadline) {
        scope.spawn(loops.executor(0), run(to, &context, &result, &error));
    }
    ~Call() { finish(); }
    void finish() {
        if (!scope.join_blocking(Deadline::in(runtime::testing::patience))) std::terminate();
    }

    static Task<void> run(Mailer* to, Context* context, std::optional<MailResult>* result,
                          std::optional<Error>* error) {
        const MailMessage message = letter();
        try {
            *result = co_await to->send(*context, message);
        } catch (const Error& thrown) {
            *error = thrown;
        }
    }

    const runtime::Services services;
    Context context;
    std::optional<MailResult> result;
    std::optional<Error> error;
    runtime::TaskScope scope{"call"};
};

}  // namespace loadstone::outbound::internal
