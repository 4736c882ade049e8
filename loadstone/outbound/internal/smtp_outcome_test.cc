// How an attempt ends, for each reply and each loss at each stage.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>

#include "loadstone/outbound/internal/smtp_fixture.h"

namespace loadstone::outbound::internal {
namespace {

using ::testing::HasSubstr;

struct SmtpOutcome : ::testing::Test, SmtpSetup {};

// ---- what the server says, at each stage ----

struct Reply {
    const char* stage;
    int code;
    MailOutcome outcome;
    bool throttled;
};

struct SmtpReplies : SmtpOutcome, ::testing::WithParamInterface<Reply> {};

TEST_P(SmtpReplies, AreClassified) {
    const Reply& reply = GetParam();
    SmtpServerProcess server;
    options.throttle_pause = milliseconds(1);
    open(server);
    server.command("mode reply stage=" + std::string(reply.stage) +
                   " code=" + std::to_string(reply.code) + " text=9.9.9_told_to count=1");
    const MailResult result = send_now(letter());
    EXPECT_EQ(result.outcome, reply.outcome) << result.detail;
    EXPECT_EQ(result.code, reply.code) << result.detail;
    EXPECT_EQ(result.throttled, reply.throttled);
    EXPECT_THAT(result.detail, HasSubstr("9.9.9 told to"));
    EXPECT_EQ(server.stat("accepted"), 0);
    // The next is not touched by it, on the same connection or another.
    EXPECT_EQ(send_now(letter(2)).outcome, MailOutcome::sent);
    EXPECT_EQ(server.stat("accepted"), 1);
}

std::string name_of(const ::testing::TestParamInfo<Reply>& info) {
    return std::to_string(info.param.code) + "At" + info.param.stage;
}

INSTANTIATE_TEST_SUITE_P(AtEachStage, SmtpReplies,
                         ::testing::Values(Reply{"greeting", 421, MailOutcome::deferred, true},
                                           Reply{"greeting", 450, MailOutcome::deferred, true},
                                           Reply{"greeting", 554, MailOutcome::deferred, false},
                                           Reply{"ehlo", 421, MailOutcome::deferred, true},
                                           Reply{"mail", 421, MailOutcome::deferred, true},
                                           Reply{"mail", 451, MailOutcome::deferred, true},
                                           Reply{"mail", 550, MailOutcome::deferred, false},
                                           Reply{"rcpt", 421, MailOutcome::deferred, true},
                                           Reply{"rcpt", 450, MailOutcome::deferred, true},
                                           Reply{"rcpt", 452, MailOutcome::deferred, true},
                                           Reply{"rcpt", 454, MailOutcome::deferred, false},
                                           Reply{"rcpt", 530, MailOutcome::deferred, false},
                                           Reply{"rcpt", 550, MailOutcome::rejected, false},
                                           Reply{"rcpt", 553, MailOutcome::rejected, false},
                                           Reply{"data", 451, MailOutcome::deferred, true},
                                           Reply{"data", 554, MailOutcome::rejected, false},
                                           Reply{"dot", 421, MailOutcome::deferred, true},
                                           Reply{"dot", 451, MailOutcome::deferred, true},
                                           Reply{"dot", 452, MailOutcome::deferred, true},
                                           Reply{"dot", 552, MailOutcome::rejected, false},
                                           Reply{"dot", 554, MailOutcome::rejected, false}),
                         name_of);

TEST_F(SmtpOutcome, GoesOnWithHeloWhenEhloIsUnknown) {
    SmtpServerProcess server;
    open(server);
    server.command("mode reply stage=ehlo code=502");
    EXPECT_EQ(send_now(letter()).outcome, MailOutcome::sent);
}

// ---- lost connections and silence, at each stage ----

struct Loss {
    const char* mode;
    MailOutcome outcome;
    int accepted;
    bool is_long;
};

struct SmtpLosses : SmtpOutcome, ::testing::WithParamInterface<Loss> {};

TEST_P(SmtpLosses, AreUnknownOnlyAfterTheFinalDot) {
    const Loss& loss = GetParam();
    SmtpServerProcess server;
    if (std::string_view(loss.mode).starts_with("silent")) {
        options.connect_timeout = milliseconds(1000);
        options.transfer_timeout = milliseconds(1500);
    }
    open(server);
    server.command("mode " + std::string(loss.mode) + " count=1");
    const MailResult result = send_now(loss.is_long ? long_letter() : letter());
    EXPECT_EQ(result.outcome, loss.outcome) << result.detail;
    EXPECT_EQ(result.code, 0) << result.detail;
    EXPECT_FALSE(result.throttled);
    EXPECT_EQ(server.stat("accepted"), loss.accepted);
    EXPECT_EQ(send_now(letter(2)).outcome, MailOutcome::sent);
}

std::string name_of_loss(const ::testing::TestParamInfo<Loss>& info) {
    std::string name;
    for (const char c : std::string(info.param.mode)) {
        if (std::isalnum(static_cast<unsigned char>(c))) name += c;
    }
    return name;
}

INSTANTIATE_TEST_SUITE_P(
    AtEachStage, SmtpLosses,
    ::testing::Values(Loss{"drop stage=greeting", MailOutcome::deferred, 0, false},
                      Loss{"drop stage=ehlo", MailOutcome::deferred, 0, false},
                      Loss{"drop stage=mail", MailOutcome::deferred, 0, false},
                      Loss{"drop stage=mail reset=1", MailOutcome::deferred, 0, false},
                      Loss{"drop stage=rcpt", MailOutcome::deferred, 0, false},
                      Loss{"drop stage=data", MailOutcome::deferred, 0, false},
                      Loss{"drop-before-dot", MailOutcome::deferred, 0, false},
                      Loss{"drop stage=middle", MailOutcome::deferred, 0, true},
                      Loss{"drop stage=middle reset=1", MailOutcome::deferred, 0, true},
                      Loss{"drop-after-dot", MailOutcome::unknown, 1, false},
                      Loss{"drop-after-dot reset=1", MailOutcome::unknown, 1, false},
                      Loss{"drop stage=dot ", MailOutcome::unknown, 1, true},
                      Loss{"silent stage=greeting", MailOutcome::deferred, 0, false},
                      Loss{"silent stage=ehlo", MailOutcome::deferred, 0, false},
                      Loss{"silent stage=mail", MailOutcome::deferred, 0, false},
                      Loss{"silent stage=rcpt", MailOutcome::deferred, 0, false},
                      Loss{"silent stage=data", MailOutcome::deferred, 0, false},
                      Loss{"silent stage=dot", MailOutcome::unknown, 1, false}),
    name_of_loss);

TEST_F(SmtpOutcome, DefersWhenNobodyListens) {
    {
        const SmtpServerProcess gone;
        open(gone);
    }
    const MailResult result = send_now(letter());
    EXPECT_EQ(result.outcome, MailOutcome::deferred);
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.detail, HasSubstr("connecting to 127.0.0.1:"));
    options.url = "smtp://no-such-host.invalid";
    open();
    EXPECT_THAT(send_now(letter()).detail, HasSubstr("resolve host"));
}

}  // namespace
}  // namespace loadstone::outbound::internal
