#include "loadstone/outbound/internal/smtp_reply.h"

#include <utility>

#include "loadstone/base/encoding.h"

namespace loadstone::outbound::internal {

namespace {

int code_of(std::string_view line) noexcept {
    if (line.size() < 3) return 0;
    int code = 0;
    for (const char c : line.substr(0, 3)) {
        if (c < '0' || c > '9') return 0;
        code = code * 10 + (c - '0');
    }
    return code >= 200 && code <= 599 ? code : 0;
}

}  // namespace

std::string one_line(std::string_view text, std::size_t bytes_max) {
    std::string out(text.substr(0, bytes_max));
    // A character that the cut split goes as a whole.
    for (int i = 0; i < 3 && text.size() > bytes_max && !out.empty() && !is_utf8(out); ++i) {
        out.pop_back();
    }
    const bool is_text = is_utf8(out);
    for (char& c : out) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !is_text)) c = '?';
    }
    return out;
}

SmtpReplyParser::Status SmtpReplyParser::feed(std::string_view& input) {
    while (!input.empty()) {
        const std::size_t end = input.find('\n');
        const std::size_t take = end == std::string_view::npos ? input.size() : end + 1;
        bytes_ += take;
        if (bytes_ > reply_bytes_max) return Status::malformed;
        line_ += input.substr(0, take);
        input.remove_prefix(take);
        if (end == std::string_view::npos) break;
        const Status status = end_of_line();
        if (status != Status::incomplete) return status;
    }
    return Status::incomplete;
}

SmtpReplyParser::Status SmtpReplyParser::end_of_line() {
    std::string line = std::exchange(line_, {});
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    const int code = code_of(line);
    const char after = line.size() > 3 ? line[3] : ' ';
    if (code == 0 || (after != ' ' && after != '-')) return Status::malformed;
    if (reading_.code != 0 && reading_.code != code) return Status::malformed;
    reading_.code = code;
    if (line.size() > 4) {
        if (!reading_.text.empty()) reading_.text += ' ';
        reading_.text += std::string_view(line).substr(4);
    }
    if (after == '-') return Status::incomplete;
    reply_.code = code;
    reply_.text = one_line(reading_.text);
    reading_ = {};
    bytes_ = 0;
    return Status::complete;
}

}  // namespace loadstone::outbound::internal
