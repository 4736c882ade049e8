#include "campus/seed/words.h"

#include <fmt/core.h>

#include <array>
#include <string_view>

#include "campus/accounts/accounts.h"

namespace campus::seed {

using namespace loadstone;

namespace {

struct FirstName {
    std::string_view name, in_address;
};

constexpr std::array<FirstName, 24> first_names{{
    {"Ada", "ada"},       {"Zoë", "zoe"},       {"Björn", "bjorn"},     {"Chen", "chen"},
    {"Amira", "amira"},   {"Luís", "luis"},     {"Noor", "noor"},       {"Emma", "emma"},
    {"Kofi", "kofi"},     {"Yuki", "yuki"},     {"Priya", "priya"},     {"Mateo", "mateo"},
    {"Ingrid", "ingrid"}, {"Omar", "omar"},     {"Sofia", "sofia"},     {"Ivan", "ivan"},
    {"Aisha", "aisha"},   {"Pierre", "pierre"}, {"Hana", "hana"},       {"Tomás", "tomas"},
    {"Freya", "freya"},   {"Jamal", "jamal"},   {"Lakshmi", "lakshmi"}, {"Oskar", "oskar"},
}};
constexpr std::array<std::string_view, 24> family_names{
    "Lovelace",  "Okafor", "Tanaka", "Garcia",  "Novak",  "Silva",  "Hassan",  "Müller",
    "Johansson", "Rossi",  "Nguyen", "Kumar",   "Dubois", "Kim",    "Ivanova", "Mensah",
    "Haddad",    "Larsen", "Costa",  "O'Brien", "Sato",   "Wójcik", "Adeyemi", "Brown"};
constexpr std::array<std::string_view, 8> forms{
    "Introduction to {}", "{} in practice",  "Foundations of {}", "Advanced {}",
    "{} for beginners",   "A history of {}", "{}: a workshop",    "Topics in {}"};
constexpr std::array<std::string_view, 24> subjects{
    "optics",    "algebra",   "botany",     "statistics", "databases",   "rhetoric",
    "astronomy", "chemistry", "genetics",   "geometry",   "linguistics", "logic",
    "economics", "compilers", "hydraulics", "music",      "networks",    "philosophy",
    "sculpture", "surveying", "topology",   "typography", "zoology",     "Éire's poetry"};
constexpr std::array<std::string_view, 8> lesson_forms{
    "What is {}?", "{} by hand", "Measuring {}", "Why {} fails",
    "{} at work",  "Proving {}", "{} compared",  "Review of {}"};

template <class List>
const auto& any(Random& random, const List& list) {
    return list[random.below(list.size())];
}

}  // namespace

accounts::SeededUser person(Random& random, std::int64_t number, Timestamp created_at) {
    const FirstName& first = any(random, first_names);
    accounts::SeededUser user;
    user.name = fmt::format("{} {}", first.name, any(random, family_names));
    user.email = fmt::format("{}.{}@seed.example", first.in_address, number);
    user.created_at = created_at;
    return user;
}

std::string course_title(Random& random, std::int64_t number) {
    const std::string_view form = any(random, forms);
    const std::string about = fmt::format(fmt::runtime(form), any(random, subjects));
    return fmt::format("{}, no. {}", about, number);
}

std::string lesson_title(Random& random) {
    const std::string_view form = any(random, lesson_forms);
    return fmt::format(fmt::runtime(form), any(random, subjects));
}

}  // namespace campus::seed
