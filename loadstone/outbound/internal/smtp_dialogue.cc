#include "loadstone/outbound/internal/smtp_dialogue.h"

#include <fmt/format.h>

#include <utility>

#include "loadstone/base/assert.h"

namespace loadstone::outbound::internal {

namespace {

using Stage = SmtpDialogue::Stage;

std::string_view name_of(Stage stage) noexcept {
    switch (stage) {
        case Stage::reset: return "RSET";
        case Stage::mail: return "MAIL";
        case Stage::rcpt: return "RCPT";
        case Stage::data: return "DATA";
        case Stage::body: return "the message";
        case Stage::dot: return "the final dot";
        case Stage::done: break;
    }
    return "the end";
}

// 503 bad sequence, 530 authentication or STARTTLS required, 534, 535, 538 its refusals.
bool speaks_of_client(int code) noexcept {
    return code == 503 || code == 530 || code == 534 || code == 535 || code == 538;
}

// An enhanced status code (RFC 3463) whose subject is an address or its mailbox.
bool speaks_of_address(std::string_view reply) noexcept {
    return reply.starts_with("4.1.") || reply.starts_with("4.2.");
}

}  // namespace

bool is_throttling(int code) noexcept {
    return code == 421 || code == 450 || code == 451 || code == 452;
}

SmtpVerdict refused_as_client(int code, std::string detail) {
    SmtpVerdict verdict;
    verdict.result.outcome = MailOutcome::deferred;
    verdict.result.code = code;
    verdict.result.detail = std::move(detail);
    verdict.result.throttled = is_throttling(code);
    verdict.configuration_at_fault = code >= 500;
    verdict.health =
        verdict.result.throttled ? ProviderHealth::throttling : ProviderHealth::failing;
    return verdict;
}

std::string to_smtp_data(std::string_view message) {
    std::string out;
    out.reserve(message.size() + message.size() / 64 + 5);
    bool line_start = true;
    for (const char c : message) {
        if (line_start && c == '.') out += '.';
        out += c;
        line_start = c == '\n';
    }
    if (!line_start) out += "\r\n";
    out += ".\r\n";
    return out;
}

SmtpDialogue::SmtpDialogue(const Options& options) : options_(options), stage_(Stage::mail) {
    LOADSTONE_ASSERT(options.data.ends_with(".\r\n"), "data ends with the final dot");
    if (options_.after_refusal) {
        say(Stage::reset, "RSET\r\n");
    } else {
        say(Stage::mail,
            fmt::format("MAIL FROM:<{}>{}\r\n", options_.from, options_.utf8 ? " SMTPUTF8" : ""));
    }
}

void SmtpDialogue::say(Stage stage, std::string command) {
    stage_ = stage;
    command_ = std::move(command);
    outgoing_ = command_;
}

void SmtpDialogue::sent(std::size_t bytes) {
    LOADSTONE_ASSERT(bytes <= outgoing_.size(), "no more was sent than was given");
    outgoing_.remove_prefix(bytes);
    if (stage_ == Stage::body && outgoing_.empty()) stage_ = Stage::dot;
}

void SmtpDialogue::received(std::string_view bytes) {
    while (!is_done() && !bytes.empty()) {
        switch (parser_.feed(bytes)) {
            case SmtpReplyParser::Status::incomplete: return;
            case SmtpReplyParser::Status::complete: on_reply(parser_.reply()); break;
            case SmtpReplyParser::Status::malformed:
                lost("the server's reply is malformed", ProviderHealth::failing);
                break;
        }
    }
}

void SmtpDialogue::on_reply(const SmtpReply& reply) {
    if (reply.code == 421 && !answered_) closed_before_ = true;
    answered_ = true;
    const int family = reply.code / 100;
    // A reply in the middle of the message, or before the command is out, ends it: the rest of
    // what was begun cannot be taken back, so the connection ends too.
    const bool early = !outgoing_.empty();
    if (family >= 4) {
        refuse(reply);
        usable_ = !early && reply.code != 421;
        return;
    }
    if (early) {
        return lost(fmt::format("the server said {} too early", reply.code),
                    ProviderHealth::failing);
    }
    switch (stage_) {
        case Stage::reset:
            if (family != 2) break;
            return say(Stage::mail, fmt::format("MAIL FROM:<{}>{}\r\n", options_.from,
                                                options_.utf8 ? " SMTPUTF8" : ""));
        case Stage::mail:
            if (family != 2) break;
            return say(Stage::rcpt, fmt::format("RCPT TO:<{}>\r\n", options_.to));
        case Stage::rcpt:
            if (family != 2) break;
            return say(Stage::data, "DATA\r\n");
        case Stage::data:
            if (reply.code != 354) break;
            stage_ = Stage::body;
            outgoing_ = options_.data;
            return;
        case Stage::dot:
            if (family != 2) break;
            usable_ = true;
            return finish(MailOutcome::sent, reply.code, reply.text, ProviderHealth::answered);
        case Stage::body:
        case Stage::done: break;
    }
    lost(fmt::format("the server said {}, which is no answer to that", reply.code),
         ProviderHealth::failing);
}

void SmtpDialogue::refuse(const SmtpReply& reply) {
    refused_ = true;
    std::string detail = fmt::format("at {}: {} {}", name_of(stage_), reply.code, reply.text);
    const bool of_client =
        stage_ == Stage::reset || stage_ == Stage::mail || speaks_of_client(reply.code);
    if (reply.code >= 500 && of_client) {
        stage_ = Stage::done;
        outgoing_ = {};
        verdict_ = refused_as_client(reply.code, std::move(detail));
        return;
    }
    const MailOutcome outcome = reply.code >= 500 ? MailOutcome::rejected : MailOutcome::deferred;
    const bool of_mail = reply.code != 421 && !of_client;
    const bool throttled = is_throttling(reply.code) && !(of_mail && speaks_of_address(reply.text));
    finish(outcome, reply.code, std::move(detail),
           throttled ? ProviderHealth::throttling : ProviderHealth::answered);
    verdict_.result.throttled = throttled;
    verdict_.result.of_mail = of_mail && outcome == MailOutcome::deferred;
}

void SmtpDialogue::lost(std::string_view why, ProviderHealth health) {
    LOADSTONE_ASSERT(!is_done(), "what is done is not lost");
    closed_before_ = !answered_;
    usable_ = false;
    const MailOutcome outcome = stage_ == Stage::dot ? MailOutcome::unknown : MailOutcome::deferred;
    finish(outcome, 0, fmt::format("at {}: {}", name_of(stage_), why), health);
}

void SmtpDialogue::finish(MailOutcome outcome, int code, std::string detail,
                          ProviderHealth health) {
    stage_ = Stage::done;
    outgoing_ = {};
    verdict_.result.outcome = outcome;
    verdict_.result.code = code;
    verdict_.result.detail = std::move(detail);
    verdict_.health = health;
}

}  // namespace loadstone::outbound::internal
