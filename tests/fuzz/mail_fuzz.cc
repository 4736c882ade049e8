// Any strings as the parts of a mail: it is refused, or every line of it is what mail may have, its
// header has the fields that it should and no others, and only its end reads as the end to a
// server.

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/mail_address.h"
#include "loadstone/outbound/internal/smtp_dialogue.h"

namespace {

using namespace loadstone::outbound;  // NOLINT(google-build-using-namespace)

// RFC 5322 2.1.1, without CRLF.
constexpr std::size_t line_bytes_max = 998;

// `utf8`: an address that is not ASCII may stand in it as it is (RFC 6532).
template <class Take>
void each_line(std::string_view text, bool utf8, Take take) {
    LOADSTONE_ASSERT(text.ends_with("\r\n"), "the last line ends");
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        const std::string_view line = text.substr(0, end);
        LOADSTONE_ASSERT(line.find_first_of("\r\n") == std::string::npos, "lines end with CRLF");
        LOADSTONE_ASSERT(line.size() <= line_bytes_max, "lines are short");
        LOADSTONE_ASSERT(loadstone::is_utf8(line), "and are text");
        for (const char c : line) {
            const auto byte = static_cast<unsigned char>(c);
            LOADSTONE_ASSERT((byte >= 0x20 && byte < 0x7F) || c == '\t' || (utf8 && byte >= 0x80),
                             "of printable ASCII");
        }
        take(line);
        text.remove_prefix(end + 2);
    }
}

void check_header(std::string_view mail, bool utf8) {
    static const std::set<std::string_view> known{
        "From",          "To",           "Subject",      "Date",
        "Message-ID",    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
        "Auto-Submitted"};
    std::set<std::string_view> found;
    const std::string_view header = mail.substr(0, mail.find("\r\n\r\n") + 2);
    each_line(header, utf8, [&](std::string_view line) {
        if (line.starts_with(' ') || line.starts_with('\t')) return;
        const std::string_view name = line.substr(0, line.find(':'));
        LOADSTONE_ASSERT(known.count(name) == 1, "the header has its fields and no others");
        LOADSTONE_ASSERT(found.insert(name).second, "each once");
    });
}

void check_data(std::string_view mail) {
    const std::string data = internal::to_smtp_data(mail);
    const std::string from_start = "\r\n" + data;
    LOADSTONE_ASSERT(from_start.find("\r\n.\r\n") == from_start.size() - 5, "one end, at the end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::array<std::string, 6> parts;
    std::size_t part = 0;
    for (std::size_t i = 0; i < size; ++i) {
        if (data[i] == '\0' && part + 1 < parts.size()) {
            ++part;
        } else {
            parts[part] += static_cast<char>(data[i]);
        }
    }
    MailMessage message;
    message.from = {"Campus", "campus@example.org"};
    message.to = {parts[0], parts[1].empty() ? "a@example.org" : parts[1]};
    message.subject = parts[2];
    message.text = parts[3];
    message.html = parts[4];
    message.message_id = "<1@example.org>";
    try {
        message.from = internal::parse_mailbox(parts[5], "from");
    } catch (const loadstone::Error& error) {
        LOADSTONE_ASSERT(error.code() == loadstone::Errc::invalid_argument, "it is at fault");
    }
    try {
        const std::string mail = render_mail(message, loadstone::Timestamp{});
        const bool utf8 = !internal::is_ascii(message.from.address + message.to.address);
        check_header(mail, utf8);
        each_line(std::string_view(mail).substr(mail.find("\r\n\r\n") + 4), false,
                  [](std::string_view) {});
        check_data(mail);
    } catch (const loadstone::Error& error) {
        LOADSTONE_ASSERT(error.code() == loadstone::Errc::invalid_argument, "a part is at fault");
        LOADSTONE_ASSERT(!error.message().empty(), "and it is said");
    }
    return 0;
}
