#pragma once
// Mail: a message and where it goes: SMTP (libcurl: STARTTLS, AUTH) or a Maildir. One engine
// thread drives all transfers; callers await the outcome.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/timestamp.h"
#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::outbound {

struct Mailbox {
    std::string name;  // UTF-8, may be empty
    std::string address;
};

struct MailMessage {
    Mailbox from;
    Mailbox to;
    std::string subject;     // UTF-8
    std::string text;        // UTF-8
    std::string html;        // UTF-8, may be empty
    std::string message_id;  // "<...@...>", stable for one job: made from its idempotency key
};

// RFC 5322 / 2045-2047: encoded words, quoted-printable or base64, multipart/alternative, CRLF,
// no header injection (control characters in names, subject or addresses: invalid_argument).
std::string render_mail(const MailMessage& message, Timestamp date);

enum class MailOutcome : std::uint8_t {
    sent,      // the server took it (250 after the final dot)
    deferred,  // 4xx, no connection, or our configuration refused: nothing was taken, try again
    rejected,  // 5xx at RCPT, DATA or the dot: a bounce
    unknown,   // the connection was lost between the final dot and the reply
};

struct MailResult {
    MailOutcome outcome = MailOutcome::deferred;
    int code = 0;            // the server's last reply code, 0 if none
    std::string detail;      // its text, or what went wrong; one line, no secrets
    bool throttled = false;  // 421/450/451/452: the server wants fewer mails
    // Deferred by its reply to RCPT, DATA or the dot: it may want this mail later, or never. Else a
    // deferral is of the server or of our account there, and any mail would have met it.
    bool of_mail = false;
};

inline constexpr std::size_t transfers_limit = 256;  // of MailOptions::transfers_max

// Whoever takes mail for an address counts what one sender brings: the address's domain, in small
// letters.
std::string provider_of(std::string_view address);
// The limit (jobs/limit.h) that jobs declare which send mail, keyed by the provider of its
// recipient. A server gives it the numbers of MailOptions.
inline constexpr const char* provider_limit = "mail.provider";

struct MailOptions {
    std::string url;  // smtp://[user:pw@]host[:port], smtps://, maildir:PATH
    std::string from = "Campus <campus@localhost>";
    // smtp:// uses STARTTLS if offered; required: refuses without. A user and password in the URL
    // make it required, except for this host.
    bool starttls_required = false;
    std::size_t transfers_max = 8;  // at once; more wait (bounded by the callers' deadlines)
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds transfer_timeout{60'000};
    // Mail whose outcome is unknown: off, it is not sent again (it may be lost); on, it is (it may
    // arrive twice). For senders to obey: resends_unknown().
    bool resend_unknown = false;
    double rate_max = 200;  // mails per second; learnt downwards from throttling replies
    double rate_min = 0.2;
    // Mails per second to one provider in all processes of a database, and so many at once after a
    // pause. Less than rate_max, so that none takes all of it. 0: any number.
    int provider_rate_max = 50;
    int provider_burst_max = 50;
    std::chrono::milliseconds throttle_pause{5'000};  // after a reply that throttles
    std::string tls_ca_file;  // PEM; whom to trust instead of the system's authorities
};

// Errors invalid_argument: not a URL of a mail server or Maildir; not a mailbox.
void check_url(const std::string& url);
void check_sender(const std::string& from);

class Mailer {
public:
    // Error invalid_argument for the URL.
    static std::unique_ptr<Mailer> open(const MailOptions& options, telemetry::Registry& registry);
    virtual ~Mailer() = default;

    // One attempt, after the provider's rate and breaker allow it. When they do not allow it
    // within the context's deadline, or the breaker is open: throws Error unavailable with
    // retry_after and nothing was tried. The wait is accounted as external_host.
    virtual Task<MailResult> send(Context& context, const MailMessage& message) = 0;
    virtual const Mailbox& sender() const noexcept = 0;
    virtual bool resends_unknown() const noexcept { return false; }
    // Ends transfers under way (their outcome may be unknown); joins the engine.
    virtual void stop() = 0;
};

}  // namespace loadstone::outbound
