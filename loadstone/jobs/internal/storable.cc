#include "loadstone/jobs/internal/storable.h"

#include "loadstone/base/encoding.h"

namespace loadstone::jobs::internal {

std::string storable(const std::string& text, std::size_t bytes_max) {
    std::string out = text.substr(0, bytes_max);
    while (out.size() < text.size() && !out.empty() &&
           (static_cast<unsigned char>(text[out.size()]) & 0xC0) == 0x80) {
        out.pop_back();
    }
    const bool ascii_only = !is_utf8(out);
    for (char& c : out) {
        if (c == '\0' || (ascii_only && static_cast<unsigned char>(c) >= 0x80)) c = '?';
    }
    return out;
}

}  // namespace loadstone::jobs::internal
