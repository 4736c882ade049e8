#include "loadstone/outbound/internal/smtp_reply.h"

#include <gtest/gtest.h>

namespace loadstone::outbound::internal {
namespace {

using Status = SmtpReplyParser::Status;

TEST(SmtpReply, IsReadInAnyPieces) {
    const std::string bytes = "250-first\r\n250-\r\n250 last one\r\n";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        SmtpReplyParser parser;
        Status status = Status::incomplete;
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            ASSERT_EQ(status, Status::incomplete);
            std::string_view input = std::string_view(bytes).substr(at, piece);
            status = parser.feed(input);
        }
        ASSERT_EQ(status, Status::complete);
        EXPECT_EQ(parser.reply().code, 250);
        EXPECT_EQ(parser.reply().text, "first last one");
    }
}

TEST(SmtpReply, LeavesWhatFollows) {
    SmtpReplyParser parser;
    std::string_view input = "250 ok\r\n421 bye\r\n";
    EXPECT_EQ(parser.feed(input), Status::complete);
    EXPECT_EQ(input, "421 bye\r\n");
    EXPECT_EQ(parser.feed(input), Status::complete);
    EXPECT_EQ(parser.reply().code, 421);
}

TEST(SmtpReply, TakesABareCodeAndABareLineFeed) {
    SmtpReplyParser parser;
    std::string_view input = "354\n";
    EXPECT_EQ(parser.feed(input), Status::complete);
    EXPECT_EQ(parser.reply().code, 354);
    EXPECT_EQ(parser.reply().text, "");
}

TEST(SmtpReply, RefusesWhatIsNoReply) {
    for (const char* const bad :
         {"\r\n", "25\r\n", "abc hello\r\n", "150 early\r\n", "600 late\r\n", "250-a\r\n550 b\r\n",
          "250_a\r\n", "HTTP/1.1 400 Bad\r\n"}) {
        SmtpReplyParser parser;
        std::string_view input = bad;
        EXPECT_EQ(parser.feed(input), Status::malformed) << bad;
    }
}

TEST(SmtpReply, IsBounded) {
    SmtpReplyParser parser;
    const std::string end = "250 x\r\n";
    std::string most;
    while (most.size() + 200 + end.size() <= SmtpReplyParser::reply_bytes_max) {
        most += "250-" + std::string(194, 'a') + "\r\n";
    }
    most += "250-" +
            std::string(SmtpReplyParser::reply_bytes_max - most.size() - end.size() - 6, 'b') +
            "\r\n" + end;
    ASSERT_EQ(most.size(), SmtpReplyParser::reply_bytes_max);
    std::string_view input = most;
    EXPECT_EQ(parser.feed(input), Status::complete);
    SmtpReplyParser other;
    most.insert(4, "c");
    input = most;
    EXPECT_EQ(other.feed(input), Status::malformed);
    SmtpReplyParser endless;
    const std::string no_end(SmtpReplyParser::reply_bytes_max + 1, '2');
    input = no_end;
    EXPECT_EQ(endless.feed(input), Status::malformed);
}

TEST(SmtpReply, TextIsOnePrintableLine) {
    EXPECT_EQ(one_line("a\tb\x1B[31m\x7F"), "a?b?[31m?");
    EXPECT_EQ(one_line("caf\xC3\xA9"), "caf\xC3\xA9");
    EXPECT_EQ(one_line("caf\xE9"), "caf?");
    EXPECT_EQ(one_line("ab\xC3\xA9", 3), "ab");
    EXPECT_EQ(one_line("ab\xC3\xA9", 4), "ab\xC3\xA9");
}

}  // namespace
}  // namespace loadstone::outbound::internal
