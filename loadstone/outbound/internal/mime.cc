#include "loadstone/outbound/internal/mime.h"

#include "loadstone/base/encoding.h"

namespace loadstone::outbound::internal {

namespace {

// RFC 2047 2 allows 75, and 76 for a line: room is left for the name of the header.
constexpr std::size_t encoded_word_max = 66;
constexpr std::size_t body_line_max = 76;    // RFC 2045 6.7, 6.8
constexpr std::size_t header_line_max = 78;  // RFC 5322 2.1.1
constexpr std::string_view q_start = "=?utf-8?Q?";
constexpr std::string_view b_start = "=?utf-8?B?";
constexpr std::string_view word_end = "?=";
constexpr std::string_view hex_digits = "0123456789ABCDEF";

void append_escaped(std::string& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    out += '=';
    out += hex_digits[byte >> 4];
    out += hex_digits[byte & 15];
}

// RFC 2047 5 (3): the bytes that a Q word in a phrase may hold as they are.
bool is_q_literal(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!*+-/").find(c) != std::string_view::npos;
}

std::size_t character_bytes(std::string_view text, std::size_t at) noexcept {
    std::size_t bytes = 1;
    while (at + bytes < text.size() &&
           (static_cast<unsigned char>(text[at + bytes]) & 0xC0) == 0x80)
        ++bytes;
    return bytes;
}

std::vector<std::string> q_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word(q_start);
    for (std::size_t at = 0; at < text.size();) {
        std::string piece;
        const std::size_t bytes = character_bytes(text, at);
        for (const char c : text.substr(at, bytes)) {
            if (c == ' ') {
                piece += '_';
            } else if (is_q_literal(c)) {
                piece += c;
            } else {
                append_escaped(piece, c);
            }
        }
        if (word.size() + piece.size() + word_end.size() > encoded_word_max) {
            words.push_back(word.append(word_end));
            word = q_start;
        }
        word += piece;
        at += bytes;
    }
    words.push_back(word.append(word_end));
    return words;
}

std::vector<std::string> b_words(std::string_view text) {
    constexpr std::size_t bytes_max = (encoded_word_max - b_start.size() - word_end.size()) / 4 * 3;
    std::vector<std::string> words;
    while (!text.empty()) {
        std::size_t take = 0;
        while (take < text.size() && take + character_bytes(text, take) <= bytes_max) {
            take += character_bytes(text, take);
        }
        std::string word(b_start);
        append_base64(word, as_bytes(text.substr(0, take)));
        words.push_back(word.append(word_end));
        text.remove_prefix(take);
    }
    return words;
}

std::size_t total_bytes(const std::vector<std::string>& words) noexcept {
    std::size_t bytes = 0;
    for (const std::string& word : words) bytes += word.size() + 1;
    return bytes;
}

std::string with_crlf(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 32 + 2);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' || text[i] == '\n') {
            if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
            out += "\r\n";
        } else {
            out += text[i];
        }
    }
    if (!out.ends_with("\r\n")) out += "\r\n";
    return out;
}

// `text` has CRLF line ends only.
std::string quoted_printable(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    std::size_t column = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\r') {
            out += "\r\n";
            column = 0;
            ++i;
            continue;
        }
        const bool ends_line = i + 1 < text.size() && text[i + 1] == '\r';
        const bool is_space = c == ' ' || c == '\t';
        const bool is_literal = (c > ' ' && c < 0x7F && c != '=') || (is_space && !ends_line);
        const std::size_t width = is_literal ? 1 : 3;
        // Room is kept for the soft break's "=", unless the line ends here anyhow.
        if (column + width > body_line_max - (ends_line ? 0 : 1)) {
            out += "=\r\n";
            column = 0;
        }
        if (is_literal) {
            out += c;
        } else {
            append_escaped(out, c);
        }
        column += width;
    }
    return out;
}

constexpr std::size_t base64_line_input = body_line_max / 4 * 3;

std::size_t base64_lines_bytes(std::size_t input) noexcept {
    return (input + 2) / 3 * 4 + (input + base64_line_input - 1) / base64_line_input * 2;
}

std::string base64_lines(std::string_view text) {
    std::string out;
    out.reserve(base64_lines_bytes(text.size()));
    for (std::size_t at = 0; at < text.size(); at += base64_line_input) {
        append_base64(out, as_bytes(text.substr(at, base64_line_input)));
        out += "\r\n";
    }
    return out;
}

}  // namespace

std::vector<std::string> encoded_words(std::string_view text) {
    std::vector<std::string> q = q_words(text);
    std::vector<std::string> b = b_words(text);
    return total_bytes(q) <= total_bytes(b) ? q : b;
}

EncodedBody encode_body(std::string_view text) {
    const std::string lines = with_crlf(text);
    std::string quoted = quoted_printable(lines);
    if (quoted.size() <= base64_lines_bytes(lines.size())) {
        return {BodyEncoding::quoted_printable, std::move(quoted)};
    }
    return {BodyEncoding::base64, base64_lines(lines)};
}

std::string folded_header(std::string_view name, const std::vector<std::string>& tokens) {
    std::string out(name);
    out += ':';
    std::size_t column = out.size();
    for (const std::string& token : tokens) {
        if (column + 1 + token.size() > header_line_max && column > name.size() + 1) {
            out += "\r\n";
            column = 0;
        }
        out += ' ';
        out += token;
        column += 1 + token.size();
    }
    out += "\r\n";
    return out;
}

}  // namespace loadstone::outbound::internal
