#include "campus/integrations/page.h"

#include <gtest/gtest.h>

#include "loadstone/base/error.h"

namespace campus::integrations {
namespace {

std::string refusal_of(const std::string& json) {
    try {
        read_page(json);
    } catch (const loadstone::Error& error) {
        return error.message();
    }
    return "";
}

std::string people(std::size_t count) {
    std::string json = R"({"people":[)";
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) json += ',';
        json += R"({"email":"p)" + std::to_string(i) + R"(@example.org","name":"P"})";
    }
    return json + "]}";
}

TEST(RosterPage, GivesPeopleAndTheNextPage) {
    const Page page = read_page(
        R"({"people":[{"email":"Ada@Example.org","name":"Ada","role":"x"}],"next":"t","total":9})");
    ASSERT_EQ(page.people.size(), 1U);
    EXPECT_EQ(page.people[0].email, "ada@example.org");
    EXPECT_EQ(page.people[0].name, "Ada");
    EXPECT_EQ(page.next, "t");
    EXPECT_EQ(page.total, 9);
    EXPECT_EQ(read_page(R"({"people":[]})").next, "");
    EXPECT_EQ(read_page(R"({"people":[],"next":null})").next, "");
}

TEST(RosterPage, TakesATotalThatIsNoCountForNone) {
    for (const char* total : {"\"many\"", "-1", "null", "{}", "1e400"}) {
        const std::string json = std::string(R"({"people":[],"total":)") + total + "}";
        if (refusal_of(json).empty()) EXPECT_EQ(read_page(json).total, 0) << total;
        EXPECT_EQ(refusal_of(json), "") << total;
    }
    EXPECT_EQ(read_page(R"({"people":[]})").total, 0);
}

TEST(RosterPage, SkipsWhoCannotBeInvitedAndTakesEachAddressOnce) {
    const Page page = read_page(
        R"({"people":[{"email":"nobody","name":"N"},{"email":"a@example.org","name":"two\nlines"},
            {"email":"b@example.org","name":""},{"email":"c@example.org","name":"C"},
            {"email":"C@example.org","name":"C again"}]})");
    EXPECT_EQ(page.skipped, 3U);
    ASSERT_EQ(page.people.size(), 1U);
    EXPECT_EQ(page.people[0].name, "C again") << "the last one counts";
}

TEST(RosterPage, RefusesWhatIsNone) {
    EXPECT_NE(refusal_of("<html>"), "");
    EXPECT_NE(refusal_of("{}"), "") << "no people is not an empty roster";
    EXPECT_NE(refusal_of(R"({"people":[{"email":"a@example.org"}]})"), "");
    EXPECT_NE(refusal_of(R"({"people":[],"next":7})"), "");
    EXPECT_NE(refusal_of("{\"people\":[{\"email\":\"a@example.org\",\"name\":\"\\u0000\"}]}"), "");
}

TEST(RosterPage, IsBounded) {
    EXPECT_EQ(read_page(people(page_people_max)).people.size(), page_people_max);
    EXPECT_EQ(refusal_of(people(page_people_max + 1)), "people: 1001 in one page, more than 1000");
    const auto with_token = [](std::size_t bytes) {
        return R"({"people":[],"next":")" + std::string(bytes, 'x') + R"("})";
    };
    EXPECT_EQ(read_page(with_token(token_bytes_max)).next.size(), token_bytes_max);
    EXPECT_EQ(refusal_of(with_token(token_bytes_max + 1)), "next: 1001 bytes, more than 1000");
}

TEST(RosterPage, IsAskedForByItsToken) {
    EXPECT_EQ(url_of_page("http://a/people", ""), "http://a/people");
    EXPECT_EQ(url_of_page("http://a/people", "2"), "http://a/people?page=2");
    EXPECT_EQ(url_of_page("http://a/people?course=7", "a b&c=\xc3\xa4"),
              "http://a/people?course=7&page=a%20b%26c%3D%C3%A4");
}

}  // namespace
}  // namespace campus::integrations
