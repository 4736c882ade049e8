#pragma once
// Replies of an SMTP server (RFC 5321 4.2): "250-first line CRLF ... 250 last line CRLF", of at
// most reply_bytes_max bytes. A bare LF ends a line too.

#include <cstddef>
#include <string>
#include <string_view>

namespace loadstone::outbound::internal {

struct SmtpReply {
    int code = 0;      // 200..599
    std::string text;  // the lines joined by spaces; one line of printable UTF-8, cut at 400 bytes
};

class SmtpReplyParser {
public:
    static constexpr std::size_t reply_bytes_max = 16 * 1024;

    enum class Status { incomplete, complete, malformed };

    // Takes bytes from the front of `input` up to the end of a reply. After `malformed` the
    // connection is of no use any more.
    Status feed(std::string_view& input);
    // Of the last complete reply.
    const SmtpReply& reply() const noexcept { return reply_; }

private:
    Status end_of_line();

    std::string line_;
    SmtpReply reading_;
    SmtpReply reply_;
    std::size_t bytes_ = 0;
};

// Control characters and what is not UTF-8 become '?'; cut at `bytes_max`.
std::string one_line(std::string_view text, std::size_t bytes_max = 400);

}  // namespace loadstone::outbound::internal
