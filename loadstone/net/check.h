#pragma once
// Check: what a body must satisfy beyond its types. A type says it in one function found by ADL,
// which runs on each request and, once, on an empty value to put the limits into /openapi.json:
//
//     void validate(Check& check, const Registration& in) {
//         check.line("name", in.name, 1, 200);
//         check.email("email", in.email);
//     }

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/error.h"

namespace loadstone::net {

class Check {
public:
    struct Rule {
        std::string field;
        std::optional<std::int64_t> min, max;  // of a number
        std::optional<std::size_t> min_length, max_length;
        std::string format;  // "email" or empty
    };

    // Length in characters (code points).
    void length(std::string_view field, std::string_view text, std::size_t min, std::size_t max);
    // The same, of one line that people read: no control characters, not only spaces.
    void line(std::string_view field, std::string_view text, std::size_t min, std::size_t max);
    void range(std::string_view field, std::int64_t value, std::int64_t min, std::int64_t max);
    // An address that mail can be sent to: one @, a domain with a dot or "localhost", no control
    // characters or spaces, at most 254 bytes.
    void email(std::string_view field, std::string_view text);
    // Anything else: `holds` must be true, `message` says what is wanted.
    void that(std::string_view field, bool holds, std::string_view message);

    const std::vector<Error>& failures() const noexcept { return failures_; }
    const std::vector<Rule>& rules() const noexcept { return rules_; }
    static Check recording();

private:
    bool recording_ = false;
    std::vector<Error> failures_;
    std::vector<Rule> rules_;
};

}  // namespace loadstone::net

namespace loadstone {
using net::Check;
}
