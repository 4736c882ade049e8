#include "loadstone/outbound/internal/smtp_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadstone/base/error.h"

namespace loadstone::outbound::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(SmtpUrl, IsTakenApart) {
    const SmtpServer plain = parse_smtp_url("smtp://mail.example.org", false);
    EXPECT_EQ(plain.name, "mail.example.org:25");
    EXPECT_EQ(plain.tls, TlsUse::if_offered);
    EXPECT_EQ(plain.user + plain.password, "");
    const SmtpServer full = parse_smtp_url("smtps://ada%40x:p%3Aw%2F@mail.example.org:2465", false);
    EXPECT_EQ(full.name, "mail.example.org:2465");
    EXPECT_EQ(full.tls, TlsUse::implicit);
    EXPECT_EQ(full.user, "ada@x");
    EXPECT_EQ(full.password, "p:w/");
    EXPECT_THAT(full.url, Not(HasSubstr("ada")));
    EXPECT_THAT(full.url, Not(HasSubstr("p%3Aw")));
}

TEST(SmtpUrl, RequiresTlsForASecretThatLeavesTheHost) {
    const auto tls = [](const char* url) { return parse_smtp_url(url, false).tls; };
    EXPECT_EQ(tls("smtp://u:p@mail.example.org"), TlsUse::required);
    EXPECT_EQ(tls("smtp://u:p@127.0.0.1.example.org"), TlsUse::required);
    EXPECT_EQ(tls("smtp://u:p@10.0.0.1"), TlsUse::required);
    EXPECT_EQ(tls("smtp://u:p@localhost:25"), TlsUse::if_offered);
    EXPECT_EQ(tls("smtp://u:p@127.0.0.1:25"), TlsUse::if_offered);
    EXPECT_EQ(tls("smtp://u:p@[::1]:25"), TlsUse::if_offered);
    EXPECT_EQ(parse_smtp_url("smtp://127.0.0.1", true).tls, TlsUse::required);
}

TEST(SmtpUrl, IsNotRepeatedInAnError) {
    for (const char* const bad :
         {"http://u:secret@h", "smtp://", "smtp://u:secret@", "smtp://u:secret@h:99999",
          "u:secret@h", "smtp://u:secret@h?x=1", "smtp://u:sec%0Aret@h", "maildir", ""}) {
        try {
            parse_smtp_url(bad, false);
            ADD_FAILURE() << bad << " was taken";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            EXPECT_THAT(error.message(), Not(HasSubstr("secret")));
            EXPECT_THAT(error.message(), HasSubstr("mail URL"));
        }
    }
}

}  // namespace
}  // namespace loadstone::outbound::internal
