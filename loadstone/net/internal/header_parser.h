#pragma once
// HeaderParser: the request line and the header fields, by Beast's parser, and the rules that
// Beast leaves to its caller: one framing and no doubt about it, no folded lines, fields that may
// come once, limits before anything is kept. Nothing is copied: a Head says where in the input
// things are.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/failure.h"
#include "loadstone/net/request.h"

namespace loadstone::net::internal {

// Fields that the server itself reads.
enum class KnownField : std::uint8_t {
    host,
    cookie,
    content_type,
    origin,
    sec_fetch_site,
    accept_encoding,
    request_id,
    idempotency_key,
    count,
};

// Offset from the first byte of the head.
struct Extent {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;

    std::string_view in(const char* head) const noexcept { return {head + offset, size}; }
};

struct FieldExtent {
    Extent name, value;
};

struct Head {
    Method method = Method::get;
    int version = 11;  // 10 or 11
    Extent target;
    std::vector<FieldExtent> fields;
    std::array<std::uint16_t, static_cast<std::size_t>(KnownField::count)>
        known{};  // index + 1; 0: absent
    std::optional<std::uint64_t> content_length;
    bool is_chunked = false;
    bool keep_alive = true;
    bool expects_continue = false;
    std::size_t bytes = 0;

    bool has(KnownField field) const noexcept {
        return known[static_cast<std::size_t>(field)] != 0;
    }
    std::string_view value(KnownField field, const char* head) const noexcept {
        const std::uint16_t index = known[static_cast<std::size_t>(field)];
        return index == 0 ? std::string_view{} : fields[index - 1].value.in(head);
    }
    bool has_body() const noexcept { return is_chunked || content_length.value_or(0) > 0; }
};

class HeaderParser {
public:
    enum class Step : std::uint8_t { need_more, done, failed };

    // `limits` must outlive it.
    explicit HeaderParser(const HttpLimits& limits);
    ~HeaderParser();

    void start();
    // `head`: all bytes since start(), those given before again at the front (they may have
    // moved).
    Step feed(std::string_view head);
    const Head& head() const noexcept;
    const HttpFailure& failure() const noexcept;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::net::internal
