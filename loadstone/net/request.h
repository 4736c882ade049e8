#pragma once
// Request: one HTTP request as a handler may see it. Views are into the connection's buffer and
// live until the handler has returned.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace loadstone::net {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options };

std::string_view to_string(Method method) noexcept;

class Request {
public:
    virtual Method method() const noexcept = 0;
    virtual std::string_view path()
        const noexcept = 0;  // percent-decoded, normalised, begins with '/'
    virtual std::string_view query() const noexcept = 0;  // raw, without '?'
    // First value of a field, by case-insensitive name; empty if absent.
    virtual std::string_view header(std::string_view name) const noexcept = 0;
    virtual std::string_view body() const noexcept = 0;
    virtual std::string_view address() const noexcept = 0;  // of the client, without port
    // Whom a limit counts: the address, or of an IPv6 address its /64.
    virtual std::string_view network() const noexcept = 0;
    virtual std::string_view id() const noexcept = 0;  // X-Request-Id given back
    virtual bool is_tls() const noexcept = 0;
    std::optional<std::string_view> cookie(std::string_view name) const noexcept;

protected:
    ~Request() = default;
};

}  // namespace loadstone::net
