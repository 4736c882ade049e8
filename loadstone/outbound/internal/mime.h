#pragma once
// The encodings of RFC 2045 and 2047. All output is ASCII.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace loadstone::outbound::internal {

// Encoded words of at most 66 bytes each, none of which splits a character: B or Q, whichever is
// shorter. The Q form uses only what is allowed in a phrase. `text` is UTF-8 and not empty.
std::vector<std::string> encoded_words(std::string_view text);

enum class BodyEncoding : unsigned char { quoted_printable, base64 };

struct EncodedBody {
    BodyEncoding encoding;
    std::string content;  // CRLF lines of at most 76 bytes; ends with CRLF
};
// Line ends (CRLF, LF, CR) become CRLF; whichever encoding is shorter, quoted-printable if equal.
EncodedBody encode_body(std::string_view text);

// A header "name: tokens", folded before tokens so that no line is longer than 78 bytes unless a
// single token is. Tokens are joined by a space.
std::string folded_header(std::string_view name, const std::vector<std::string>& tokens);

}  // namespace loadstone::outbound::internal
