#include "campus/integrations/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/net/check.h"

namespace campus::integrations {

using namespace loadstone;

namespace {

struct PageText {
    std::vector<Person> people;
    std::optional<std::string> next;
};
BOOST_DESCRIBE_STRUCT(PageText, (), (people, next))

struct TotalText {
    std::optional<std::int64_t> total;
};
BOOST_DESCRIBE_STRUCT(TotalText, (), (total))

constexpr JsonReadOptions of_others{.unknown_fields_allowed = true,
                                    .items_max = 10 * page_people_max};

// Read by itself, for a page whose total is no number is a page nevertheless.
std::int64_t total_of(std::string_view json) {
    const auto text = from_json<TotalText>(json, of_others);
    return text ? std::max<std::int64_t>(text->total.value_or(0), 0) : 0;
}

bool is_usable(const Person& person) {
    Check check;
    check.email("email", person.email);
    check.line("name", person.name, 1, 200);
    return check.failures().empty();
}

void lower(std::string& text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

}  // namespace

Page read_page(std::string_view json) {
    auto text = from_json<PageText>(json, of_others);
    if (!text) {
        const std::string& field = text.error().field();
        throw Error(Errc::invalid_argument, fmt::format("{}{}{}", field, field.empty() ? "" : ": ",
                                                        text.error().message()));
    }
    if (text->people.size() > page_people_max) {
        throw Error(Errc::invalid_argument, fmt::format("people: {} in one page, more than {}",
                                                        text->people.size(), page_people_max));
    }
    Page page;
    page.next = std::move(text->next).value_or("");
    page.total = total_of(json);
    if (page.next.size() > token_bytes_max) {
        throw Error(Errc::invalid_argument,
                    fmt::format("next: {} bytes, more than {}", page.next.size(), token_bytes_max));
    }
    std::map<std::string, std::string> names;
    for (Person& person : text->people) {
        if (is_usable(person)) {
            lower(person.email);
            names.insert_or_assign(std::move(person.email), std::move(person.name));
        } else {
            ++page.skipped;
        }
    }
    for (auto& [email, name] : names) page.people.push_back({email, std::move(name)});
    return page;
}

// RFC 3986 2.1, 3.4.
std::string url_of_page(const std::string& url, std::string_view token) {
    if (token.empty()) return url;
    std::string next = url + (url.find('?') == std::string::npos ? "?page=" : "&page=");
    for (const char c : token) {
        if (is_unreserved(c)) {
            next += c;
        } else {
            fmt::format_to(std::back_inserter(next), "%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return next;
}

}  // namespace campus::integrations
