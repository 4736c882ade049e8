// Any bytes as what a client sends. What is read as a request does not depend on where the bytes
// were cut, is read again the same from its own bytes alone, and is not complete one byte sooner:
// so that no second reader of the same bytes sees other requests.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"
#include "loadstone/net/internal/request_reader.h"
#include "loadstone/net/internal/target.h"

namespace {

using namespace loadstone::net;            // NOLINT(google-build-using-namespace)
using namespace loadstone::net::internal;  // NOLINT(google-build-using-namespace)
using Step = RequestReader::Step;

constexpr std::size_t body_bytes_max = 300;

HttpLimits small_limits() {
    HttpLimits limits;
    limits.header_bytes_max = 512;
    limits.header_fields_max = 8;
    limits.target_bytes_max = 128;
    return limits;
}

const HttpLimits limits = small_limits();

struct Seen {
    std::string request;  // all that was read of it
    std::size_t bytes = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
};

struct Reading {
    std::vector<Seen> requests;
    bool failed = false;
};

void check_target(const Head& head, std::string_view text) {
    LOADSTONE_ASSERT(text.size() <= limits.target_bytes_max, "a target is within its limit");
    Target target;
    if (parse_target(text, head.method, target) || target.is_asterisk) return;
    std::string storage;
    std::string_view path;
    if (decode_path(target.raw_path, storage, path)) return;
    LOADSTONE_ASSERT(path.starts_with('/') && loadstone::is_utf8(path), "a path is text");
    const std::string closed = std::string(path) + "/";
    LOADSTONE_ASSERT(closed.find("/../") == std::string::npos, "a path does not climb");
    LOADSTONE_ASSERT(closed.find("/./") == std::string::npos, "nor stay");
    for (const char c : path) {
        LOADSTONE_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "nor has controls");
    }
}

Seen seen(const RequestReader& reader) {
    const Head& head = reader.head();
    const char* const bytes = reader.head_bytes();
    LOADSTONE_ASSERT(head.bytes <= limits.header_bytes_max, "a head is within its limit");
    LOADSTONE_ASSERT(head.fields.size() <= limits.header_fields_max, "its fields too");
    LOADSTONE_ASSERT(!(head.is_chunked && head.content_length), "one framing");
    LOADSTONE_ASSERT(reader.body().size() <= body_bytes_max, "a body is within its limit");
    LOADSTONE_ASSERT(head.is_chunked || reader.body().size() == head.content_length.value_or(0),
                     "a body has the length that was said");
    check_target(head, head.target.in(bytes));
    Seen request;
    request.bytes = reader.bytes();
    request.request = std::to_string(static_cast<int>(head.method)) + " " +
                      std::to_string(head.version) + (head.keep_alive ? " keep " : " close ") +
                      std::string(head.target.in(bytes));
    for (const FieldExtent& field : head.fields) {
        const std::string_view value = field.value.in(bytes);
        LOADSTONE_ASSERT(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
                         "a value is of one line");
        request.request += "\n" + std::string(field.name.in(bytes)) + ":" + std::string(value);
    }
    request.request += "\n\n" + std::string(reader.body());
    return request;
}

// Reads `text` in pieces of at most `piece` bytes, as a connection does.
Reading read(std::string_view text, std::size_t piece) {
    Reading reading;
    RequestReader reader(limits);
    const auto until_read = [&](auto step) {
        Step last = step();
        while (last == Step::need_more && !text.empty()) {
            const auto space = reader.space();
            const std::size_t size = std::min({space.size(), piece, text.size()});
            LOADSTONE_ASSERT(size > 0, "who needs more has room for it");
            std::memcpy(space.data(), text.data(), size);
            text.remove_prefix(size);
            reader.commit(size);
            last = step();
        }
        return last;
    };
    for (;;) {
        Step step = until_read([&] { return reader.read_head(); });
        if (step == Step::done) step = reader.begin_body(body_bytes_max);
        if (step == Step::done) step = until_read([&] { return reader.read_body(); });
        if (step == Step::failed) {
            LOADSTONE_ASSERT(reader.failure().status >= 400, "a refusal has a status");
            reading.failed = true;
        }
        if (step != Step::done) return reading;
        reading.requests.push_back(seen(reader));
        reader.finish();
    }
}

void check_alone(std::string_view text, const Reading& whole) {
    for (const Seen& request : whole.requests) {
        if (text.starts_with("\r\n")) text.remove_prefix(2);
        LOADSTONE_ASSERT(request.bytes <= text.size(), "a request is of bytes that came");
        const Reading alone = read(text.substr(0, request.bytes), text.size());
        LOADSTONE_ASSERT(!alone.failed && alone.requests == std::vector<Seen>{request},
                         "a request's bytes are that request");
        const Reading shorter = read(text.substr(0, request.bytes - 1), text.size());
        LOADSTONE_ASSERT(shorter.requests.empty() && !shorter.failed, "and no fewer are");
        text.remove_prefix(request.bytes);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = std::size_t{1} + data[0] % 61;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Reading whole = read(text, std::max<std::size_t>(text.size(), 1));
    for (const std::size_t at_once : {piece, std::size_t{1}}) {
        const Reading cut = read(text, at_once);
        LOADSTONE_ASSERT(cut.requests == whole.requests, "cutting the bytes changes no request");
        // A fault may be seen later: with the end of the header, or when no more comes in time.
        LOADSTONE_ASSERT(whole.failed || !cut.failed, "nor makes a fault");
    }
    check_alone(text, whole);
    return 0;
}
