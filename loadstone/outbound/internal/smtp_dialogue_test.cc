#include "loadstone/outbound/internal/smtp_dialogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loadstone::outbound::internal {
namespace {

using ::testing::HasSubstr;
using Stage = SmtpDialogue::Stage;

const std::string data = to_smtp_data("Subject: hi\r\n\r\n.hello\r\n");

SmtpDialogue::Options options() {
    SmtpDialogue::Options made;
    made.from = "campus@example.org";
    made.to = "ada@example.org";
    made.data = data;
    return made;
}

std::string send_all(SmtpDialogue& dialogue) {
    std::string all;
    while (!dialogue.outgoing().empty()) {
        all += dialogue.outgoing();
        dialogue.sent(dialogue.outgoing().size());
    }
    return all;
}

// What the server says at each stage when all goes well; after that the stage is over.
struct Step {
    Stage stage;
    const char* reply;
};
const std::vector<Step> script{{Stage::reset, "250 reset\r\n"},
                               {Stage::mail, "250 ok\r\n"},
                               {Stage::rcpt, "251 will forward\r\n"},
                               {Stage::data, "354 go on\r\n"},
                               {Stage::dot, "250 2.0.0 queued as 7\r\n"}};

// Plays the script up to `stage`, whose command is sent, whose reply is not there yet.
SmtpDialogue played_to(Stage stage) {
    SmtpDialogue::Options begin = options();
    begin.after_refusal = stage == Stage::reset;
    SmtpDialogue dialogue(begin);
    for (const Step& step : script) {
        if (step.stage == Stage::reset && stage != Stage::reset) continue;
        send_all(dialogue);
        EXPECT_EQ(dialogue.stage(), step.stage);
        if (step.stage == stage) break;
        dialogue.received(step.reply);
    }
    return dialogue;
}

TEST(SmtpDialogue, HandsAMailOver) {
    SmtpDialogue dialogue(options());
    EXPECT_EQ(send_all(dialogue), "MAIL FROM:<campus@example.org>\r\n");
    dialogue.received("250 ok\r\n");
    EXPECT_EQ(send_all(dialogue), "RCPT TO:<ada@example.org>\r\n");
    dialogue.received("250 ok\r\n");
    EXPECT_EQ(send_all(dialogue), "DATA\r\n");
    dialogue.received("354 go on\r\n");
    EXPECT_EQ(send_all(dialogue), "Subject: hi\r\n\r\n..hello\r\n.\r\n");
    EXPECT_FALSE(dialogue.is_done());
    dialogue.received("250 2.0.0 queued as 7\r\n");
    ASSERT_TRUE(dialogue.is_done());
    EXPECT_EQ(dialogue.verdict().result.outcome, MailOutcome::sent);
    EXPECT_EQ(dialogue.verdict().result.code, 250);
    EXPECT_EQ(dialogue.verdict().result.detail, "2.0.0 queued as 7");
    EXPECT_EQ(dialogue.verdict().health, ProviderHealth::answered);
    EXPECT_TRUE(dialogue.connection_is_usable());
    EXPECT_FALSE(dialogue.was_refused());
}

TEST(SmtpDialogue, ResetsTheConnectionAfterARefusalAndNamesUtf8) {
    SmtpDialogue::Options begin = options();
    begin.after_refusal = true;
    begin.utf8 = true;
    SmtpDialogue dialogue(begin);
    EXPECT_EQ(send_all(dialogue), "RSET\r\n");
    dialogue.received("250 ok\r\n");
    EXPECT_EQ(send_all(dialogue), "MAIL FROM:<campus@example.org> SMTPUTF8\r\n");
}

// Each reply at each stage.
struct Refusal {
    Stage stage;
    int code;
    MailOutcome outcome;
    bool throttled;
    bool configuration;
    bool usable;
    ProviderHealth health;
};

TEST(SmtpDialogue, ClassifiesEachReplyAtEachStage) {
    using enum MailOutcome;
    using enum ProviderHealth;
    const std::vector<Refusal> table{
        {Stage::reset, 500, deferred, false, true, true, failing},
        {Stage::mail, 421, deferred, true, false, false, throttling},
        {Stage::mail, 451, deferred, true, false, true, throttling},
        {Stage::mail, 454, deferred, false, false, true, answered},
        {Stage::mail, 530, deferred, false, true, true, failing},
        {Stage::mail, 550, deferred, false, true, true, failing},
        {Stage::mail, 553, deferred, false, true, true, failing},
        {Stage::rcpt, 421, deferred, true, false, false, throttling},
        {Stage::rcpt, 450, deferred, true, false, true, throttling},
        {Stage::rcpt, 451, deferred, true, false, true, throttling},
        {Stage::rcpt, 452, deferred, true, false, true, throttling},
        {Stage::rcpt, 499, deferred, false, false, true, answered},
        {Stage::rcpt, 503, deferred, false, true, true, failing},
        {Stage::rcpt, 530, deferred, false, true, true, failing},
        {Stage::rcpt, 550, rejected, false, false, true, answered},
        {Stage::rcpt, 551, rejected, false, false, true, answered},
        {Stage::rcpt, 554, rejected, false, false, true, answered},
        {Stage::data, 451, deferred, true, false, true, throttling},
        {Stage::data, 554, rejected, false, false, true, answered},
        {Stage::dot, 421, deferred, true, false, false, throttling},
        {Stage::dot, 451, deferred, true, false, true, throttling},
        {Stage::dot, 452, deferred, true, false, true, throttling},
        {Stage::dot, 552, rejected, false, false, true, answered},
        {Stage::dot, 554, rejected, false, false, true, answered},
    };
    for (const Refusal& each : table) {
        SmtpDialogue dialogue = played_to(each.stage);
        dialogue.received(std::to_string(each.code) + " 9.9.9 told to\r\n");
        SCOPED_TRACE(std::to_string(each.code) + " at " +
                     std::to_string(static_cast<int>(each.stage)));
        ASSERT_TRUE(dialogue.is_done());
        const SmtpVerdict& verdict = dialogue.verdict();
        EXPECT_EQ(verdict.result.outcome, each.outcome);
        EXPECT_EQ(verdict.result.code, each.code);
        EXPECT_EQ(verdict.result.throttled, each.throttled);
        EXPECT_EQ(verdict.configuration_at_fault, each.configuration);
        // A deferral beyond MAIL that neither closes the connection nor speaks of us.
        EXPECT_EQ(verdict.result.of_mail, each.outcome == deferred && each.stage != Stage::reset &&
                                              each.stage != Stage::mail && each.code != 421 &&
                                              !each.configuration);
        EXPECT_EQ(verdict.health, each.health);
        EXPECT_EQ(dialogue.connection_is_usable(), each.usable);
        EXPECT_TRUE(dialogue.was_refused());
        EXPECT_THAT(verdict.result.detail, HasSubstr("9.9.9 told to"));
    }
}

TEST(SmtpDialogue, SlowsNobodyDownForOneAddress) {
    struct Reply {
        Stage stage;
        const char* text;
        bool throttled;
    };
    for (const Reply& each : {Reply{Stage::rcpt, "450 4.2.0 greylisted", false},
                              Reply{Stage::rcpt, "450 4.1.8 no such domain", false},
                              Reply{Stage::rcpt, "451 4.2.1 too much at once", false},
                              Reply{Stage::rcpt, "452-4.2.2 over its\r\n452 4.2.2 quota", false},
                              Reply{Stage::dot, "452 4.2.2 over its quota", false},
                              Reply{Stage::rcpt, "452 4.3.1 disk full", true},
                              Reply{Stage::rcpt, "451 4.7.1 slow down", true},
                              Reply{Stage::rcpt, "450 mailbox busy", true},
                              Reply{Stage::rcpt, "421 4.2.1 closing", true},
                              Reply{Stage::mail, "451 4.1.8 sender unknown", true}}) {
        SCOPED_TRACE(each.text);
        SmtpDialogue dialogue = played_to(each.stage);
        dialogue.received(std::string(each.text) + "\r\n");
        ASSERT_TRUE(dialogue.is_done());
        EXPECT_EQ(dialogue.verdict().result.outcome, MailOutcome::deferred);
        EXPECT_EQ(dialogue.verdict().result.throttled, each.throttled);
        EXPECT_EQ(dialogue.verdict().health,
                  each.throttled ? ProviderHealth::throttling : ProviderHealth::answered);
    }
}

TEST(SmtpDialogue, IsUnknownWhenLostAfterTheDotAndDeferredBefore) {
    for (const Step& step : script) {
        SmtpDialogue dialogue = played_to(step.stage);
        dialogue.lost("the test ends it", ProviderHealth::failing);
        ASSERT_TRUE(dialogue.is_done());
        const MailResult& result = dialogue.verdict().result;
        EXPECT_EQ(result.outcome,
                  step.stage == Stage::dot ? MailOutcome::unknown : MailOutcome::deferred);
        EXPECT_EQ(result.code, 0);
        EXPECT_THAT(result.detail, HasSubstr("the test ends it"));
        EXPECT_FALSE(dialogue.connection_is_usable());
        const bool first = step.stage == Stage::reset || step.stage == Stage::mail;
        EXPECT_EQ(dialogue.found_connection_closed(), first);
    }
}

TEST(SmtpDialogue, CountsTheDotAsHandedOverWithItsLastByteOnly) {
    for (std::size_t missing = 0; missing <= data.size(); ++missing) {
        SmtpDialogue dialogue = played_to(Stage::data);
        dialogue.received("354 go on\r\n");
        ASSERT_EQ(dialogue.outgoing(), data);
        if (missing < data.size()) dialogue.sent(data.size() - missing);
        dialogue.lost("gone", ProviderHealth::failing);
        EXPECT_EQ(dialogue.verdict().result.outcome,
                  missing == 0 ? MailOutcome::unknown : MailOutcome::deferred)
            << missing;
    }
}

TEST(SmtpDialogue, EndsWithTheConnectionOnARefusalInTheMiddleOfTheMessage) {
    SmtpDialogue dialogue = played_to(Stage::data);
    dialogue.received("354 go on\r\n");
    dialogue.sent(3);
    dialogue.received("552 too big\r\n");
    ASSERT_TRUE(dialogue.is_done());
    EXPECT_EQ(dialogue.verdict().result.outcome, MailOutcome::rejected);
    EXPECT_FALSE(dialogue.connection_is_usable());
    EXPECT_TRUE(dialogue.outgoing().empty());
}

TEST(SmtpDialogue, TakesNoWrongYesForAYes) {
    for (const Step& step : script) {
        for (const char* const wrong : {"354 go on\r\n", "220 hello\r\n", "250 ok\r\n"}) {
            const bool is_right = wrong[0] == (step.stage == Stage::data ? '3' : '2');
            if (is_right) continue;
            SmtpDialogue dialogue = played_to(step.stage);
            dialogue.received(wrong);
            ASSERT_TRUE(dialogue.is_done()) << wrong;
            EXPECT_EQ(dialogue.verdict().result.outcome,
                      step.stage == Stage::dot ? MailOutcome::unknown : MailOutcome::deferred);
            EXPECT_FALSE(dialogue.connection_is_usable());
        }
        SmtpDialogue dialogue = played_to(step.stage);
        dialogue.received("nonsense\r\n");
        ASSERT_TRUE(dialogue.is_done());
        EXPECT_EQ(dialogue.verdict().result.outcome,
                  step.stage == Stage::dot ? MailOutcome::unknown : MailOutcome::deferred);
        EXPECT_FALSE(dialogue.connection_is_usable());
    }
}

TEST(SmtpDialogue, TakesAFarewellAsFirstAnswerForAClosedConnection) {
    SmtpDialogue dialogue(options());
    send_all(dialogue);
    dialogue.received("421 4.4.2 timeout\r\n");
    ASSERT_TRUE(dialogue.is_done());
    EXPECT_TRUE(dialogue.found_connection_closed());
    SmtpDialogue later = played_to(Stage::rcpt);
    later.received("421 4.7.0 slow down\r\n");
    EXPECT_FALSE(later.found_connection_closed());
}

TEST(SmtpDialogue, DoublesDotsAtLineStartsOnly) {
    EXPECT_EQ(to_smtp_data(".\r\n..\r\na.b\r\n.c\r\n"), "..\r\n...\r\na.b\r\n..c\r\n.\r\n");
    EXPECT_EQ(to_smtp_data(""), ".\r\n");
    EXPECT_EQ(to_smtp_data("no end"), "no end\r\n.\r\n");
}

}  // namespace
}  // namespace loadstone::outbound::internal
