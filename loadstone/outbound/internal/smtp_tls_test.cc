// TLS and accounts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadstone/outbound/internal/smtp_fixture.h"

namespace loadstone::outbound::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct SmtpTls : ::testing::Test, SmtpSetup {
    std::vector<std::string> with(std::vector<std::string> more) {
        more.insert(more.begin(), {"--tls-self-signed", folder.path()});
        return more;
    }
    void trust() { options.tls_ca_file = folder.path() + "/cert.pem"; }

    const TempFolder folder;
};

TEST_F(SmtpTls, UsesStarttlsWhenItIsOfferedEvenByAStranger) {
    SmtpServerProcess server(with({"--require-tls"}));
    open(server);
    EXPECT_EQ(send_now(letter()).outcome, MailOutcome::sent);
    EXPECT_EQ(server.stat("encrypted"), 1);
}

TEST_F(SmtpTls, SignsInOverStarttlsAndKeepsTheConnection) {
    SmtpServerProcess server(with({"--require-tls", "--auth", "ada:pass word"}));
    trust();
    options.starttls_required = true;
    open(server, "smtp://ada:pass%20word@");
    for (int i = 0; i < 5; ++i) {
        const MailResult result = send_now(letter(i));
        EXPECT_EQ(result.outcome, MailOutcome::sent) << result.detail;
    }
    EXPECT_EQ(server.stat("encrypted"), 5);
    EXPECT_EQ(server.stat("connections"), 1);
    EXPECT_EQ(server.stat("logins"), 1);
}

TEST_F(SmtpTls, SignsInOverSmtps) {
    SmtpServerProcess server(with({"--smtps", "--auth", "ada:pw"}));
    trust();
    open(server, "smtps://ada:pw@");
    EXPECT_EQ(send_now(long_letter()).outcome, MailOutcome::sent);
    EXPECT_EQ(server.stat("encrypted"), 1);
    EXPECT_EQ(server.stat("logins"), 1);
}

TEST_F(SmtpTls, TellsALostConnectionBeforeTheDotFromOneAfterIt) {
    SmtpServerProcess server(with({"--require-tls"}));
    open(server);
    for (const char* const mode : {"drop-after-dot", "drop-after-dot reset=1"}) {
        server.command("mode " + std::string(mode) + " count=1");
        EXPECT_EQ(send_now(letter()).outcome, MailOutcome::unknown) << mode;
    }
    for (const char* const mode : {"drop stage=middle", "drop stage=middle reset=1"}) {
        server.command("mode " + std::string(mode) + " count=1");
        EXPECT_EQ(send_now(long_letter()).outcome, MailOutcome::deferred) << mode;
    }
    EXPECT_EQ(server.stat("accepted"), 2);
}

TEST_F(SmtpTls, DefersWithoutSendingWhatItMayNotShow) {
    struct Case {
        const char* what;
        std::vector<std::string> server;
        std::string scheme;
        bool starttls_required;
        bool trusted;
        int code;
        const char* detail;
    };
    const std::vector<Case> cases{
        {"no STARTTLS", {}, "smtp://", true, true, 0, "STARTTLS"},
        {"a stranger's certificate", with({}), "smtp://", true, false, 0, "certificate"},
        {"a stranger's certificate", with({"--smtps"}), "smtps://", false, false, 0, "certificate"},
        {"a wrong password", with({"--auth", "ada:right"}), "smtp://ada:geheim@", true, true, 535,
         "denied"},
        {"no AUTH", {}, "smtp://ada:geheim@", false, true, 0, "AUTH"},
        {"no account", with({"--auth", "ada:right"}), "smtp://", true, true, 530,
         "Authentication required"},
    };
    for (const Case& each : cases) {
        SCOPED_TRACE(each.what);
        SmtpServerProcess server(each.server);
        options.starttls_required = each.starttls_required;
        options.tls_ca_file.clear();
        if (each.trusted && !each.server.empty()) trust();
        open(server, each.scheme);
        ::testing::internal::CaptureStderr();
        const MailResult result = send_now(letter());
        const std::string log = ::testing::internal::GetCapturedStderr();
        EXPECT_EQ(result.outcome, MailOutcome::deferred);
        EXPECT_EQ(result.code, each.code) << result.detail;
        EXPECT_THAT(result.detail, HasSubstr(each.detail));
        EXPECT_FALSE(result.throttled);
        EXPECT_EQ(server.stat("accepted"), 0);
        EXPECT_THAT(log, HasSubstr("mail server refuses us"));
        EXPECT_THAT(log + result.detail, Not(HasSubstr("geheim")));
    }
}

TEST_F(SmtpTls, DefersATemporaryRefusalToSignIn) {
    SmtpServerProcess server(with({"--auth", "ada:pw"}));
    trust();
    open(server, "smtp://ada:pw@");
    server.command("mode reply code=454 stage=auth text=4.7.0_not_now count=1");
    const MailResult result = send_now(letter());
    EXPECT_EQ(result.outcome, MailOutcome::deferred);
    EXPECT_EQ(result.code, 454);
    EXPECT_THAT(result.detail, HasSubstr("4.7.0 not now"));
    EXPECT_EQ(send_now(letter()).outcome, MailOutcome::sent);
}

}  // namespace
}  // namespace loadstone::outbound::internal
