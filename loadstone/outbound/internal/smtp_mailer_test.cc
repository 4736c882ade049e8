// Mails as they arrive; connections; options.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadstone/outbound/internal/smtp_fixture.h"

namespace loadstone::outbound::internal {
namespace {

using ::testing::HasSubstr;

struct SmtpMailer : ::testing::Test, SmtpSetup {};

TEST_F(SmtpMailer, DeliversWhatWasWrittenInAnyScript) {
    const TempFolder folder;
    SmtpServerProcess server({"--store", folder.path()});
    open(server);
    MailMessage message = letter();
    message.to.name = "Jörg Müller 山田";
    message.subject = "Grüße aus dem Campus — willkommen 🎓";
    message.text = ".\n..\n.hidden\n" + std::string(3000, 'x') + "\nEnde …\n";
    message.html = "<p>日本語のメール</p>\n.\n";
    const MailResult result = send_now(message);
    EXPECT_EQ(result.outcome, MailOutcome::sent);
    EXPECT_EQ(result.code, 250);
    EXPECT_EQ(result.detail, "2.0.0 taken");
    const std::string stored = read_file(folder.path() + "/00000001.eml");
    EXPECT_THAT(
        stored,
        HasSubstr("X-Envelope-From: campus@example.org\r\nX-Envelope-To: ada@example.org\r\n"));
    const std::string read = read_mail(stored);
    EXPECT_THAT(read, HasSubstr("\nto: Jörg Müller 山田 <ada@example.org>\n"));
    EXPECT_THAT(read, HasSubstr("\nsubject: " + message.subject + "\n"));
    EXPECT_THAT(
        read, HasSubstr("\ntext: .\\n..\\n.hidden\\n" + std::string(3000, 'x') + "\\nEnde …\\n\n"));
    EXPECT_THAT(read, HasSubstr("\nhtml: <p>日本語のメール</p>\\n.\\n\n"));
    EXPECT_THAT(read, HasSubstr("\ndefects: 0\n"));
    EXPECT_EQ(metric("loadstone_mail_total{outcome=\"sent\"}"), 1);
}

TEST_F(SmtpMailer, DeliversAMailLargerThanAllBuffers) {
    const TempFolder folder;
    SmtpServerProcess server({"--store", folder.path()});
    open(server);
    const MailMessage message = long_letter();
    EXPECT_EQ(send_now(message).outcome, MailOutcome::sent);
    const std::string stored = read_file(folder.path() + "/00000001.eml");
    const std::string body = stored.substr(stored.find("\r\n\r\n") + 4);
    std::string expected;
    for (const char c : message.text)
        expected += c == '\n' ? std::string("\r\n") : std::string(1, c);
    EXPECT_TRUE(body == expected) << body.size() << " bytes, expected " << expected.size();
}

TEST_F(SmtpMailer, NamesAddressesBeyondAsciiToServersThatTakeThem) {
    const TempFolder folder;
    MailMessage message = letter();
    message.to.address = "jörg@bücher.example";
    {
        SmtpServerProcess server({"--store", folder.path()});
        open(server);
        EXPECT_EQ(send_now(message).outcome, MailOutcome::sent);
        EXPECT_THAT(read_file(folder.path() + "/00000001.eml"),
                    HasSubstr("X-Envelope-To: jörg@bücher.example\r\n"));
    }
    SmtpServerProcess server({"--no-smtputf8"});
    open(server);
    const MailResult result = send_now(message);
    EXPECT_EQ(result.outcome, MailOutcome::rejected);
    EXPECT_THAT(result.detail, HasSubstr("SMTPUTF8"));
    EXPECT_EQ(send_now(letter()).outcome, MailOutcome::sent);
}

TEST_F(SmtpMailer, LetsNoAddressOrHeaderEndACommand) {
    SmtpServerProcess server;
    open(server);
    for (const char* const evil : {"ada@example.org>\r\nRCPT TO:<eve@example.org",
                                   "ada@example.org\r\n.\r\n", "a b@example.org"}) {
        MailMessage message = letter();
        message.to.address = evil;
        EXPECT_EQ(turned_back(message, Deadline::in(seconds(25))).code(), Errc::invalid_argument);
    }
    MailMessage message = letter();
    message.subject = "x\r\nBcc: eve@example.org";
    EXPECT_EQ(turned_back(message, Deadline::in(seconds(25))).code(), Errc::invalid_argument);
    EXPECT_EQ(server.stat("connections"), 0);
}

// ---- connections ----

TEST_F(SmtpMailer, SendsManyConcurrentMailsEachOnceOverFewConnections) {
    SmtpServerProcess server;
    options.rate_max = 100'000;
    open(server);
    constexpr int mails = 500;
    std::atomic<int> sent{0};
    runtime::TaskScope scope("mails");
    for (int i = 0; i < mails; ++i)
        scope.spawn(loops.executor(i % 2), count_sent(mailer.get(), i, &sent));
    ASSERT_TRUE(scope.join_blocking(Deadline::in(runtime::testing::patience)));
    EXPECT_EQ(sent, mails);
    EXPECT_EQ(server.stat("accepted"), mails);
    EXPECT_EQ(server.stat("distinct"), mails);
    EXPECT_LE(server.stat("connections"), 8 + mails / 100);
    EXPECT_EQ(metric("loadstone_mail_in_flight"), 0);
    EXPECT_EQ(metric("loadstone_mail_waiting"), 0);
}

TEST_F(SmtpMailer, LetsASlowAnswerHoldUpNoOtherMail) {
    SmtpServerProcess server;
    open(server);
    server.command("mode slow seconds=1 stage=dot");
    runtime::TaskScope scope("mails");
    std::atomic<int> sent{0};
    const auto start = Deadline::Clock::now();
    for (int i = 0; i < 8; ++i)
        scope.spawn(loops.executor(i % 2), count_sent(mailer.get(), i, &sent));
    ASSERT_TRUE(scope.join_blocking(Deadline::in(runtime::testing::patience)));
    EXPECT_EQ(sent, 8);
    EXPECT_LT(Deadline::Clock::now() - start, seconds(4)) << "one after the other takes 8 s";
    EXPECT_EQ(server.stat("connections"), 8);
}

TEST_F(SmtpMailer, GoesToAnotherConnectionWhenTheIdleOneWasClosed) {
    auto server = std::make_unique<SmtpServerProcess>();
    const int port = server->port();
    open(*server);
    EXPECT_EQ(send_now(letter(1)).outcome, MailOutcome::sent);
    // Closed in reply to MAIL, with nothing said or with a farewell: the mail was not begun.
    for (const char* const mode :
         {"mode drop stage=mail count=1", "mode reply code=421 stage=mail count=1"}) {
        server->command(mode);
        const MailResult result = send_now(letter(2));
        EXPECT_EQ(result.outcome, MailOutcome::sent) << mode << ": " << result.detail;
    }
    server.reset();
    server = std::make_unique<SmtpServerProcess>(std::vector<std::string>{}, port);
    EXPECT_EQ(send_now(letter(3)).outcome, MailOutcome::sent);
    EXPECT_EQ(server->stat("accepted"), 1);
}

// ---- options ----

TEST_F(SmtpMailer, RefusesOptionsThatMakeNoSense) {
    const auto field_of_refusal = [&](auto change) {
        options = MailOptions{};
        options.url = "smtp://127.0.0.1:1";
        change(options);
        try {
            open();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            return error.field();
        }
        return std::string("taken");
    };
    EXPECT_EQ(field_of_refusal([](MailOptions&) {}), "taken");
    EXPECT_EQ(mailer->sender().name, "Campus");
    EXPECT_EQ(mailer->sender().address, "campus@localhost");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.from = "\"A \\\"B\\\"\" <a@b>"; }), "taken");
    EXPECT_EQ(mailer->sender().name, "A \"B\"");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.from = "nobody"; }), "from");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.from = "A <a@b"; }), "from");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.transfers_max = 0; }), "transfers_max");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.transfers_max = 257; }), "transfers_max");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.rate_min = 0; }), "rate_min");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.rate_max = 0.1; }), "rate_min");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.connect_timeout = milliseconds(0); }),
              "connect_timeout");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.url = "maildir:"; }), "url");
    EXPECT_EQ(field_of_refusal([](MailOptions& o) { o.url = "ftp://x"; }), "");
}

}  // namespace
}  // namespace loadstone::outbound::internal
