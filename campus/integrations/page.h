#pragma once
// A page of a roster as its server gives it:
//
//     {"people": [{"email": "ada@example.org", "name": "Ada Lovelace"}, ..], "next": "TOKEN"}
//
// Other members are ignored. The next page is at the same URL with page=TOKEN; the last one has no
// "next", or null, or an empty one. "total", where it is a number, is how many people the whole
// roster has: it says how far a sync has come, and nothing else.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/describe.h"

namespace campus::integrations {

inline constexpr std::size_t page_bytes_max = 1024 * 1024;
inline constexpr std::size_t page_people_max = 1'000;
inline constexpr std::size_t token_bytes_max = 1'000;

struct Person {
    std::string email;  // ASCII letters in lower case
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Person, (), (email, name))

struct Page {
    std::vector<Person> people;  // each address once
    std::size_t skipped = 0;     // without an address that mail can go to, or a name of one line
    std::string next;            // empty: none
    std::int64_t total = 0;      // of all pages; 0: not said
};

// Errc::invalid_argument says what is wrong with it.
Page read_page(std::string_view json);
// The URL of the page behind `token`; of the first one if it is empty.
std::string url_of_page(const std::string& url, std::string_view token);

}  // namespace campus::integrations
