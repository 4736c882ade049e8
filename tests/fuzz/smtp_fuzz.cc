// Any bytes as what a mail server sends, in any pieces, while any part of what is sent to it gets
// through. The verdict never says more than is known: "sent" only after the whole mail was handed
// over and acknowledged, "unknown" only after it was handed over.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/smtp_dialogue.h"
#include "loadstone/outbound/internal/smtp_url.h"

namespace {

using namespace loadstone::outbound;            // NOLINT(google-build-using-namespace)
using namespace loadstone::outbound::internal;  // NOLINT(google-build-using-namespace)

const std::string mail = to_smtp_data("Subject: a\r\n\r\n.b\r\n");

void check_line(std::string_view text) {
    LOADSTONE_ASSERT(loadstone::is_utf8(text) && text.size() <= 1'000, "a detail is short text");
    for (const char c : text) {
        LOADSTONE_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "of one line");
    }
}

// All replies in `text`, cut into pieces.
std::vector<std::string> replies_of(std::string_view text, std::size_t piece) {
    std::vector<std::string> replies;
    SmtpReplyParser parser;
    while (!text.empty()) {
        std::string_view part = text.substr(0, piece);
        text.remove_prefix(part.size());
        while (!part.empty()) {
            const auto status = parser.feed(part);
            if (status == SmtpReplyParser::Status::malformed) {
                replies.emplace_back("malformed");
                return replies;
            }
            if (status == SmtpReplyParser::Status::incomplete) break;
            const SmtpReply& reply = parser.reply();
            LOADSTONE_ASSERT(reply.code >= 200 && reply.code <= 599, "a reply has a code");
            check_line(reply.text);
            replies.push_back(std::to_string(reply.code) + " " + reply.text);
        }
    }
    return replies;
}

void converse(std::string_view script, std::size_t piece, bool after_refusal) {
    SmtpDialogue::Options options;
    options.from = "a@example.org";
    options.to = "b@example.org";
    options.data = mail;
    options.after_refusal = after_refusal;
    SmtpDialogue dialogue(options);
    std::string sent;
    while (!dialogue.is_done()) {
        if (!dialogue.outgoing().empty()) {
            const std::size_t size = std::min(piece, dialogue.outgoing().size());
            sent += dialogue.outgoing().substr(0, size);
            dialogue.sent(size);
            // Now and then it speaks before it was spoken to.
            if (script.empty() || script.front() % 8 != 7) continue;
        }
        if (script.empty()) {
            dialogue.lost("the connection was lost", ProviderHealth::failing);
            break;
        }
        const std::string_view part = script.substr(0, piece);
        script.remove_prefix(part.size());
        dialogue.received(part);
    }
    LOADSTONE_ASSERT(dialogue.is_done(), "a lost connection ends it");
    const MailResult& result = dialogue.verdict().result;
    check_line(result.detail);
    const bool handed_over = sent.ends_with(mail);
    switch (result.outcome) {
        case MailOutcome::sent:
            LOADSTONE_ASSERT(handed_over && result.code / 100 == 2, "taken");
            break;
        case MailOutcome::unknown: LOADSTONE_ASSERT(handed_over, "handed over"); break;
        case MailOutcome::rejected: LOADSTONE_ASSERT(result.code / 100 == 5, "refused"); break;
        case MailOutcome::deferred: break;
    }
}

void read_url(std::string_view text) {
    try {
        const SmtpServer server = parse_smtp_url(std::string(text), false);
        LOADSTONE_ASSERT(server.user.empty() || server.tls != TlsUse::if_offered ||
                             server.name.starts_with("127.") || server.name.starts_with("[::1]") ||
                             server.name.starts_with("localhost"),
                         "a password does not go out in the clear");
    } catch (const loadstone::Error& error) {
        LOADSTONE_ASSERT(error.code() == loadstone::Errc::invalid_argument, "the URL is at fault");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = std::size_t{1} + data[0] % 64;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    LOADSTONE_ASSERT(replies_of(text, piece) == replies_of(text, text.size() + 1),
                     "cutting the bytes changes nothing");
    converse(text, piece, data[0] % 2 == 0);
    read_url(text);
    return 0;
}
