#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/mail_address.h"
#include "loadstone/outbound/internal/mime.h"
#include "loadstone/outbound/mail.h"

namespace loadstone::outbound {

namespace {

constexpr std::size_t name_bytes_max = 1000;
constexpr std::size_t subject_bytes_max = 2000;
constexpr std::size_t message_id_bytes_max = 250;
constexpr std::size_t body_bytes_max = 8 * 1024 * 1024;
// What a token of a header may be at most to go unencoded: with the longest header name and the
// space in front it still fits into a line of 78.
constexpr std::size_t plain_token_max = 60;

[[noreturn]] void refuse(std::string_view field, std::string message) {
    throw Error(Errc::invalid_argument, std::move(message)).with_field(std::string(field));
}

void require_text(std::string_view text, std::string_view field, std::size_t bytes_max) {
    if (text.size() > bytes_max) {
        refuse(field, fmt::format("mail {} has {} bytes, limit {}", field, text.size(), bytes_max));
    }
    if (!is_utf8(text)) refuse(field, fmt::format("mail {} is not UTF-8", field));
}

void require_line(std::string_view text, std::string_view field, std::size_t bytes_max) {
    require_text(text, field, bytes_max);
    if (!is_printable(text)) {
        refuse(field, fmt::format("mail {} has a control character", field));
    }
}

void require_message_id(std::string_view id) {
    const auto is_visible = [](char c) { return c > ' ' && c < 0x7F && c != '<' && c != '>'; };
    const bool is_good = id.size() >= 5 && id.size() <= message_id_bytes_max && id.front() == '<' &&
                         id.back() == '>' &&
                         std::ranges::all_of(id.substr(1, id.size() - 2), is_visible) &&
                         std::ranges::count(id, '@') == 1;
    if (!is_good) {
        refuse("message_id",
               fmt::format("mail message_id is not <left@right> of at most {} visible bytes",
                           message_id_bytes_max));
    }
}

// The words of `text` if it can stand unencoded: ASCII, single spaces only, no long word, nothing
// that a reader would take for an encoded word.
std::vector<std::string> plain_words(std::string_view text) {
    if (!internal::is_ascii(text) || text.find("=?") != std::string_view::npos) return {};
    std::vector<std::string> words;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (end == at || end - at > plain_token_max) return {};
        words.emplace_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

bool is_phrase(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) {
        constexpr std::string_view others = " !#$%&'*+-/=?^_`{|}~";
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               others.find(c) != std::string_view::npos;
    });
}

std::string quoted_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
    return out;
}

std::vector<std::string> mailbox_tokens(const Mailbox& mailbox) {
    std::vector<std::string> tokens;
    if (!mailbox.name.empty()) {
        tokens = plain_words(mailbox.name);
        if (tokens.empty() || (!is_phrase(mailbox.name) && mailbox.name.size() > plain_token_max)) {
            tokens = internal::encoded_words(mailbox.name);
        } else if (!is_phrase(mailbox.name)) {
            tokens = {quoted_string(mailbox.name)};
        }
    }
    tokens.push_back("<" + mailbox.address + ">");
    return tokens;
}

std::vector<std::string> subject_tokens(std::string_view subject) {
    if (subject.empty()) return {};
    std::vector<std::string> words = plain_words(subject);
    return words.empty() ? internal::encoded_words(subject) : words;
}

std::string part(std::string_view type, std::string_view text) {
    const internal::EncodedBody body = internal::encode_body(text);
    const bool is_base64 = body.encoding == internal::BodyEncoding::base64;
    return fmt::format("Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: {}\r\n\r\n{}",
                       type, is_base64 ? "base64" : "quoted-printable", body.content);
}

// Fixed by the message-id (FNV-1a), so that rendering again gives the same bytes. "=_" stands in
// no quoted-printable or base64 text, so it is in no part.
std::string boundary_of(std::string_view message_id) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : message_id) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
    return fmt::format("=_{:016x}", hash);
}

std::string date_text(Timestamp date) {
    std::string text = to_http_date(date);
    text.replace(text.size() - 3, 3, "+0000");
    return text;
}

void require_sendable(const MailMessage& message) {
    require_line(message.from.name, "from.name", name_bytes_max);
    require_line(message.to.name, "to.name", name_bytes_max);
    internal::require_address(message.from.address, "from.address");
    internal::require_address(message.to.address, "to.address");
    require_line(message.subject, "subject", subject_bytes_max);
    require_message_id(message.message_id);
    require_text(message.text, "text", body_bytes_max);
    require_text(message.html, "html", body_bytes_max);
}

}  // namespace

std::string render_mail(const MailMessage& message, Timestamp date) {
    require_sendable(message);
    std::string out = internal::folded_header("Date", {date_text(date)});
    out += internal::folded_header("From", mailbox_tokens(message.from));
    out += internal::folded_header("To", mailbox_tokens(message.to));
    out += internal::folded_header("Subject", subject_tokens(message.subject));
    out += internal::folded_header("Message-ID", {message.message_id});
    // RFC 3834: keeps out-of-office replies from answering a program.
    out += "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n";
    if (message.html.empty()) return out + part("text/plain", message.text);

    const std::string boundary = boundary_of(message.message_id);
    out += fmt::format("Content-Type: multipart/alternative; boundary=\"{}\"\r\n\r\n", boundary);
    out += fmt::format("--{}\r\n{}\r\n", boundary, part("text/plain", message.text));
    out += fmt::format("--{}\r\n{}\r\n", boundary, part("text/html", message.html));
    out += fmt::format("--{}--\r\n", boundary);
    return out;
}

}  // namespace loadstone::outbound
