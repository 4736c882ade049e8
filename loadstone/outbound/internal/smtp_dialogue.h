#pragma once
// SmtpDialogue: one mail transaction (RFC 5321 3.3) on a connection that is greeted, encrypted and
// signed in, as a state machine without I/O: bytes to send come out, bytes received go in, the
// verdict comes out.
//
// What the verdict rests on:
//   - A mail is the server's from its 2xx to the final dot, and only then (RFC 5321 6.1).
//   - The dot counts as handed over when the transport took its last byte: from then on the server
//     may have it. With TLS that is the whole record; a record cut short cannot be read.
//   - So: lost before -> deferred, nothing was delivered; lost after, without a reply -> unknown.
//   - A 4xx at RCPT, DATA or the dot speaks of the mail, which may be refused so for ever (a
//   mailbox
//     that is over its quota). 421, 450, 451 and 452 slow the server's mails down as well, unless
//     they say 4.1.x or 4.2.x (RFC 3463): then they are of one address.
//   - A 5xx at RCPT, DATA or the dot speaks of the mail: rejected. At MAIL it speaks of us (sender
//     not allowed, not signed in), as do 503, 530, 534, 535 and 538 anywhere: deferred, and
//     somebody must look at the configuration. At the dot 503 and 53x too mean that nothing was
//     taken.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "loadstone/outbound/internal/smtp_reply.h"
#include "loadstone/outbound/mail.h"

namespace loadstone::outbound::internal {

// What an attempt tells of the provider.
enum class ProviderHealth : std::uint8_t {
    answered,    // whatever it said of the mail
    throttling,  // 421, 450, 451, 452, and not of one address
    failing,     // not reached, lost, silent, or it does not take us as a client
    not_told,    // we gave up on our own
};

struct SmtpVerdict {
    MailResult result;
    ProviderHealth health = ProviderHealth::failing;
    bool configuration_at_fault = false;
};

// 421, 450, 451, 452.
bool is_throttling(int code) noexcept;
// A refusal before or outside RCPT, DATA and the dot: never a bounce.
SmtpVerdict refused_as_client(int code, std::string detail);

// Message text (CRLF lines) as DATA wants it: dots doubled at line starts, the final dot added.
std::string to_smtp_data(std::string_view message);

class SmtpDialogue {
public:
    enum class Stage : std::uint8_t { reset, mail, rcpt, data, body, dot, done };

    // `data` is what to_smtp_data gave and must outlive this. `after_refusal`: the connection's
    // last transaction was refused, so it begins with RSET. `utf8`: an address is not ASCII.
    struct Options {
        std::string_view from, to;
        std::string_view data;
        bool after_refusal = false;
        bool utf8 = false;
    };
    explicit SmtpDialogue(const Options& options);

    // What is to be sent now; empty while a reply is awaited. Stays the same, in place too, until
    // sent() or received().
    std::string_view outgoing() const noexcept { return outgoing_; }
    void sent(std::size_t bytes);
    void received(std::string_view bytes);
    // The connection ended, the time is over, or we gave up.
    void lost(std::string_view why, ProviderHealth health);

    bool is_done() const noexcept { return stage_ == Stage::done; }
    Stage stage() const noexcept { return stage_; }
    const SmtpVerdict& verdict() const noexcept { return verdict_; }  // once done
    // Whether another transaction can follow on the connection, and whether it must begin with
    // RSET.
    bool connection_is_usable() const noexcept { return usable_; }
    bool was_refused() const noexcept { return refused_; }
    // Done before the server answered anything, or with nothing but its leave-taking: on a
    // connection that was idle before, it was closed meanwhile, and the mail can go on another.
    bool found_connection_closed() const noexcept { return closed_before_; }

private:
    void say(Stage stage, std::string command);
    void on_reply(const SmtpReply& reply);
    void refuse(const SmtpReply& reply);
    void finish(MailOutcome outcome, int code, std::string detail, ProviderHealth health);

    Options options_;
    Stage stage_;
    std::string command_;
    std::string_view outgoing_;
    SmtpReplyParser parser_;
    SmtpVerdict verdict_;
    bool usable_ = false;
    bool refused_ = false;
    bool answered_ = false;
    bool closed_before_ = false;
};

}  // namespace loadstone::outbound::internal
