#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/testing.h"
#include "loadstone/outbound/mail.h"

namespace loadstone::outbound {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr Timestamp date{1'769'860'800'000'000};  // 2026-01-31T12:00:00Z

MailMessage letter() {
    MailMessage message;
    message.from = {"Campus", "campus@example.org"};
    message.to = {"Ada Lovelace", "ada@example.org"};
    message.subject = "Welcome to Campus";
    message.text = "Dear Ada,\n\nwelcome.\n";
    message.message_id = "<job-1@example.org>";
    return message;
}

std::size_t longest_line(const std::string& text) {
    std::size_t longest = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find("\r\n", at), text.size());
        longest = std::max(longest, end - at);
        at = end + 2;
    }
    return longest;
}

// Nothing but CRLF line ends, ASCII, no other control characters.
void expect_safe_on_the_wire(const std::string& rendered) {
    EXPECT_TRUE(rendered.ends_with("\r\n"));
    for (std::size_t i = 0; i < rendered.size(); ++i) {
        const auto byte = static_cast<unsigned char>(rendered[i]);
        ASSERT_TRUE(byte != '\r' || rendered[i + 1] == '\n') << "at " << i;
        ASSERT_TRUE(byte != '\n' || rendered[i - 1] == '\r') << "at " << i;
        ASSERT_TRUE((byte >= 0x20 && byte < 0x7F) || byte == '\r' || byte == '\n' || byte == '\t')
            << "byte " << int{byte} << " at " << i;
    }
}

std::string field_of_refusal(const MailMessage& message) {
    try {
        render_mail(message, date);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::invalid_argument) << error.message();
        return error.field();
    }
    return "it was rendered";
}

TEST(ProviderOf, IsTheDomainInSmallLetters) {
    EXPECT_EQ(provider_of("ada@example.org"), "example.org");
    EXPECT_EQ(provider_of("Ada@Mail.EXAMPLE.org"), "mail.example.org");
    EXPECT_EQ(provider_of("\"a@b\"@example.org"), "example.org");
    EXPECT_EQ(provider_of("ada@"), "");
    EXPECT_EQ(provider_of(""), "");
}

TEST(RenderMail, GivesAPlainTextMailWordForWord) {
    EXPECT_EQ(render_mail(letter(), date),
              "Date: Sat, 31 Jan 2026 12:00:00 +0000\r\n"
              "From: Campus <campus@example.org>\r\n"
              "To: Ada Lovelace <ada@example.org>\r\n"
              "Subject: Welcome to Campus\r\n"
              "Message-ID: <job-1@example.org>\r\n"
              "Auto-Submitted: auto-generated\r\n"
              "MIME-Version: 1.0\r\n"
              "Content-Type: text/plain; charset=utf-8\r\n"
              "Content-Transfer-Encoding: quoted-printable\r\n"
              "\r\n"
              "Dear Ada,\r\n\r\nwelcome.\r\n");
}

TEST(RenderMail, IsReadAsItWasWrittenWithTextAndHtmlInAnyScript) {
    MailMessage message = letter();
    message.from.name = "Schule „Straße“";
    message.to.name = "Ωρίων 山田太郎 с именем такой длины, что слов нужно несколько 🎓🎓🎓";
    message.subject =
        "Grüße: 你好世界, и ещё много слов, чтобы строка сложилась 🎓 несколько раз подряд";
    message.text = "Zeile eins = gut\nZeile zwei mit Ende \n\tTab\n… fertig";
    message.html =
        "<p>山田さん、<b>ようこそ</b>。これは長い行です。" + std::string(300, 'x') + "</p>";
    const std::string rendered = render_mail(message, date);
    expect_safe_on_the_wire(rendered);
    EXPECT_LE(longest_line(rendered), 78U);
    const std::string read = testing::read_mail(rendered);
    EXPECT_THAT(read, HasSubstr("\nto: " + message.to.name + " <ada@example.org>\n"));
    EXPECT_THAT(read, StartsWith("from: Schule „Straße“ <campus@example.org>\n"));
    EXPECT_THAT(read, HasSubstr("\nsubject: " + message.subject + "\n"));
    EXPECT_THAT(read, HasSubstr("\nstructure: multipart/alternative(text/plain,text/html)\n"));
    EXPECT_THAT(read, HasSubstr("\ndefects: 0\n"));
    EXPECT_THAT(read,
                HasSubstr("\ntext: Zeile eins = gut\\nZeile zwei mit Ende \\n\tTab\\n… fertig\\n"));
    EXPECT_THAT(read, HasSubstr("\nhtml: " + message.html + "\\n"));
}

TEST(RenderMail, KeepsEveryByteOfTextsOfAnyShape) {
    MailMessage message = letter();
    std::string dots = ".\n..\n. \n.hidden\n";
    std::string all_controls;
    for (char c = 1; c < 0x20; ++c) {
        if (c != '\n' && c != '\r') all_controls += c;
    }
    for (const std::string& text :
         {std::string(), std::string("no end"), dots, all_controls, std::string(5000, 'a'),
          std::string("From here\nFrom there\n"), std::string("=?utf-8?Q?no?= =20 = =\n"),
          std::string("trailing space \ntrailing tab\t\n"), std::string("\n\n\n"),
          std::string("\xEF\xBF\xBF\x7F é\n"),
          "long " + std::string(75, 'x') + " " + std::string(76, 'y'),
          std::string("a\rb\nc\r\nd")}) {
        message.text = text;
        const std::string rendered = render_mail(message, date);
        expect_safe_on_the_wire(rendered);
        EXPECT_LE(longest_line(rendered), 78U);
        const std::string read = testing::read_mail(rendered);
        std::string expected = "\ntext: ";
        for (std::size_t i = 0; i < text.size(); ++i) {
            const bool is_end = text[i] == '\n' || text[i] == '\r';
            if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
            expected += is_end ? "\\n" : std::string(1, text[i]);
        }
        if (!text.ends_with('\n')) expected += "\\n";
        EXPECT_THAT(read, HasSubstr(expected + "\nhtml:"));
    }
}

TEST(RenderMail, EncodesHeadersThatWouldBeMisread) {
    struct Case {
        std::string name;
        bool is_encoded;
    };
    for (const Case& each :
         {Case{"Lovelace, Ada", false}, Case{"A \"quoted\" \\ name", false},
          Case{"=?utf-8?Q?evil?=", true}, Case{" leading", true}, Case{"two  spaces", true},
          Case{"a@b <c@d>", false}, Case{std::string(200, 'n'), true}}) {
        MailMessage message = letter();
        message.to.name = each.name;
        message.subject = each.name;
        const std::string rendered = render_mail(message, date);
        expect_safe_on_the_wire(rendered);
        EXPECT_LE(longest_line(rendered), 78U);
        EXPECT_EQ(rendered.find("To: =?utf-8?") != std::string::npos, each.is_encoded) << rendered;
        const std::string read = testing::read_mail(rendered);
        std::string name;
        for (const char c : each.name) name += c == '\\' ? std::string("\\\\") : std::string(1, c);
        EXPECT_THAT(read, HasSubstr("\nto: " + name + " <ada@example.org>\n"));
        EXPECT_THAT(read, HasSubstr("\nsubject: " + name + "\n"));
        EXPECT_THAT(read, HasSubstr("\ndefects: 0\n"));
    }
}

TEST(RenderMail, RefusesWhatWouldEndAHeaderOrACommand) {
    for (const char* const evil : {"\r\nBcc: all@example.org", "\n", "\r", "\t", "\x7F"}) {
        MailMessage message = letter();
        message.subject += evil;
        EXPECT_EQ(field_of_refusal(message), "subject");
        message = letter();
        message.to.name += evil;
        EXPECT_EQ(field_of_refusal(message), "to.name");
        message = letter();
        message.from.name += evil;
        EXPECT_EQ(field_of_refusal(message), "from.name");
        message = letter();
        message.to.address += evil;
        EXPECT_EQ(field_of_refusal(message), "to.address");
        message = letter();
        message.message_id.insert(2, evil);
        EXPECT_EQ(field_of_refusal(message), "message_id");
    }
    MailMessage message = letter();
    message.subject.push_back('\0');
    EXPECT_EQ(field_of_refusal(message), "subject");
}

TEST(RenderMail, TakesOnlyAddressesThatStandInBrackets) {
    for (const char* const good :
         {"a@b", "a.b+c@sub.example.org", "o'hara@example.org", "jörg@bücher.example",
          "a@[127.0.0.1]", "a@[IPv6:::1]", "!#$%&'*+-/=?^_`{|}~@example.org"}) {
        MailMessage message = letter();
        message.to.address = good;
        EXPECT_EQ(field_of_refusal(message), "it was rendered") << good;
    }
    for (const char* const bad :
         {"",     "a",       "@b",          "a@",        "a b@c",  "a@b c",  "a@b>",
          "<a@b", "a@b,c@d", "a@b> SIZE=1", "a..b@c",    ".a@b",   "a.@b",   "a@b..c",
          "a@.b", "a@[]",    "a@[1\r\n]",   "\"a b\"@c", "a@b@c@", "a:b@c;", "\xFF@b"}) {
        MailMessage message = letter();
        message.to.address = bad;
        EXPECT_EQ(field_of_refusal(message), "to.address") << bad;
    }
    MailMessage message = letter();
    message.to.address = std::string(64, 'a') + "@" + std::string(189, 'b');
    EXPECT_EQ(field_of_refusal(message), "it was rendered");
    message.to.address += "b";
    EXPECT_EQ(field_of_refusal(message), "to.address");
    message.to.address = std::string(65, 'a') + "@b";
    EXPECT_EQ(field_of_refusal(message), "to.address");
}

TEST(RenderMail, BoundsWhatItTakes) {
    struct Case {
        std::string MailMessage::* field;
        const char* name;
        std::size_t max;
    };
    for (const Case& each :
         {Case{&MailMessage::subject, "subject", 2000}, Case{&MailMessage::text, "text", 8U << 20},
          Case{&MailMessage::html, "html", 8U << 20}}) {
        MailMessage message = letter();
        message.*each.field = std::string(each.max, 'a');
        EXPECT_EQ(field_of_refusal(message), "it was rendered") << each.name;
        message.*each.field += 'a';
        EXPECT_EQ(field_of_refusal(message), each.name);
        message.*each.field = "\xC3(";
        EXPECT_EQ(field_of_refusal(message), each.name) << "not UTF-8";
    }
    for (const char* const bad :
         {"", "a@b", "<a>", "<a@b", "a@b>", "<a b@c>", "<a@b@c>", "<a@b>c>"}) {
        MailMessage message = letter();
        message.message_id = bad;
        EXPECT_EQ(field_of_refusal(message), "message_id") << bad;
    }
}

TEST(RenderMail, IsTheSameEachTime) {
    MailMessage message = letter();
    message.html = "<p>Welcome</p>";
    EXPECT_EQ(render_mail(message, date), render_mail(message, date));
}

}  // namespace
}  // namespace loadstone::outbound
