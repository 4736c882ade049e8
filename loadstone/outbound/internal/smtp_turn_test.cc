// Deadlines, cancellation and stop; the provider's rate and breaker.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "loadstone/outbound/internal/smtp_fixture.h"

namespace loadstone::outbound::internal {
namespace {

using ::testing::HasSubstr;

struct SmtpTurn : ::testing::Test, SmtpSetup {};

Task<void> send_until_sent(Mailer* mailer, int number, std::atomic<int>* sent,
                           std::atomic<int>* throttled) {
    for (;;) {
        const MailResult result = co_await send(mailer, letter(number), Deadline::in(seconds(25)));
        if (result.outcome == MailOutcome::sent) break;
        EXPECT_EQ(result.outcome, MailOutcome::deferred) << result.detail;
        EXPECT_TRUE(result.throttled) << result.detail;
        ++*throttled;
    }
    ++*sent;
}

TEST_F(SmtpTurn, SaysTruthfullyWhatBecameOfACancelledMail) {
    SmtpServerProcess server;
    open(server);
    struct Case {
        const char* stage;
        MailOutcome outcome;
    };
    for (const Case& each :
         {Case{"rcpt", MailOutcome::deferred}, Case{"dot", MailOutcome::unknown}}) {
        server.command("forget");
        server.command("mode silent stage=" + std::string(each.stage) + " count=1");
        Call call(mailer.get(), loops, Deadline::in(seconds(60)));
        const std::string before_it =
            each.outcome == MailOutcome::unknown ? "\"354\": 1" : "\"250\": ";
        ASSERT_TRUE(wait_until([&] {
            return server.command("stats").find(before_it) != std::string::npos &&
                   (each.outcome == MailOutcome::deferred || server.stat("accepted") == 1);
        }));
        call.context.cancel();
        call.finish();
        ASSERT_TRUE(call.result);
        EXPECT_EQ(call.result->outcome, each.outcome) << call.result->detail;
        EXPECT_THAT(call.result->detail, HasSubstr("given up"));
    }
}

TEST_F(SmtpTurn, EndsATransferAtTheCallersDeadline) {
    SmtpServerProcess server;
    open(server);
    server.command("mode silent stage=dot count=1");
    EXPECT_EQ(send_now(letter(), Deadline::in(milliseconds(1500))).outcome, MailOutcome::unknown);
    server.command("mode silent stage=rcpt count=1");
    EXPECT_EQ(send_now(letter(), Deadline::in(milliseconds(300))).outcome, MailOutcome::deferred);
}

TEST_F(SmtpTurn, StopEndsTransfersUnderWayAndTriesNoOthers) {
    SmtpServerProcess server;
    open(server);
    server.command("mode silent stage=dot");
    Call call(mailer.get(), loops, Deadline::in(seconds(60)));
    ASSERT_TRUE(wait_until([&] { return server.stat("accepted") == 1; }));
    mailer->stop();
    call.finish();
    ASSERT_TRUE(call.result);
    EXPECT_EQ(call.result->outcome, MailOutcome::unknown);
    const Error after = turned_back(letter(2), Deadline::in(seconds(5)));
    EXPECT_EQ(after.code(), Errc::unavailable);
    EXPECT_TRUE(after.retry_after());
}

// ---- the provider's rate and breaker ----

TEST_F(SmtpTurn, TurnsBackWhatIsNotItsTurnWithinTheDeadline) {
    SmtpServerProcess server;
    options.transfers_max = 1;
    options.rate_max = 0.5;
    open(server);
    EXPECT_EQ(send_now(letter(1)).outcome, MailOutcome::sent);
    const Error rate = turned_back(letter(2), Deadline::in(milliseconds(300)));
    EXPECT_EQ(rate.code(), Errc::unavailable);
    EXPECT_THAT(rate.message(), HasSubstr("rate"));
    ASSERT_TRUE(rate.retry_after());
    EXPECT_GT(*rate.retry_after(), milliseconds(300));
    EXPECT_LE(*rate.retry_after(), milliseconds(2000));
    // One that waits for its turn keeps the only connection from the next.
    Call waits(mailer.get(), loops, Deadline::in(seconds(20)));
    ASSERT_TRUE(wait_until([&] { return metric("loadstone_mail_waiting") == 1; }));
    const Error queue = turned_back(letter(3), Deadline::in(milliseconds(100)));
    EXPECT_EQ(queue.code(), Errc::unavailable);
    EXPECT_THAT(queue.message(), HasSubstr("no connection was free"));
    EXPECT_TRUE(queue.retry_after());
    waits.finish();
    ASSERT_TRUE(waits.result);
    EXPECT_EQ(waits.result->outcome, MailOutcome::sent);
    EXPECT_EQ(server.stat("accepted"), 2);
    EXPECT_EQ(metric("loadstone_mail_not_tried_total{why=\"out_of_time\"}"), 2);
}

TEST_F(SmtpTurn, GivesUpWaitingForItsTurnWhenCancelled) {
    SmtpServerProcess server;
    options.transfers_max = 1;
    options.rate_max = options.rate_min = 0.01;
    open(server);
    EXPECT_EQ(send_now(letter(1)).outcome, MailOutcome::sent);
    Call call(mailer.get(), loops, Deadline::in(std::chrono::hours(1)));
    ASSERT_TRUE(wait_until([&] { return metric("loadstone_mail_waiting") == 1; }));
    call.context.cancel();
    call.finish();
    ASSERT_TRUE(call.error);
    EXPECT_EQ(call.error->code(), Errc::cancelled);
}

TEST_F(SmtpTurn, LearnsTheRateThatTheServerAllows) {
    SmtpServerProcess server;
    options.rate_max = 400;
    options.throttle_pause = milliseconds(100);
    open(server);
    server.command("mode throttle rate=50 burst=10");
    constexpr int mails = 100;
    std::atomic<int> sent{0}, throttled{0};
    runtime::TaskScope scope("mails");
    for (int i = 0; i < mails; ++i)
        scope.spawn(loops.executor(i % 2), send_until_sent(mailer.get(), i, &sent, &throttled));
    ASSERT_TRUE(scope.join_blocking(Deadline::in(runtime::testing::patience)));
    EXPECT_EQ(sent, mails);
    EXPECT_EQ(server.stat("accepted"), mails);
    EXPECT_EQ(server.stat("distinct"), mails);
    EXPECT_GT(throttled, 0);
    EXPECT_LT(throttled, mails * 2);
    const std::string provider =
        "{throttle=\"mail\",provider=\"127.0.0.1:" + std::to_string(server.port()) + "\"}";
    EXPECT_LT(metric("loadstone_provider_rate" + provider), 200);
    EXPECT_EQ(metric("loadstone_mail_total{outcome=\"deferred\"}"), throttled);
}

TEST_F(SmtpTurn, OpensTheBreakerForAServerThatIsDownAndFindsItAgain) {
    int port = 0;
    {
        const SmtpServerProcess gone;
        port = gone.port();
        open(gone);
    }
    for (int i = 0; i < 5; ++i) EXPECT_EQ(send_now(letter()).outcome, MailOutcome::deferred);
    const Error error = turned_back(letter(), Deadline::in(seconds(25)));
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_THAT(error.message(), HasSubstr("breaker is open"));
    ASSERT_TRUE(error.retry_after());
    EXPECT_GT(*error.retry_after(), milliseconds(0));
    const std::string breaker =
        "loadstone_provider_breaker{throttle=\"mail\",provider=\"127.0.0.1:" +
        std::to_string(port) + "\"}";
    EXPECT_EQ(metric(breaker), 1);
    EXPECT_GE(metric("loadstone_mail_not_tried_total{why=\"breaker_open\"}"), 1);

    SmtpServerProcess server({}, port);
    ASSERT_TRUE(wait_until([&] {
        try {
            return send_now(letter()).outcome == MailOutcome::sent;
        } catch (const Error& still_open) {
            EXPECT_EQ(still_open.code(), Errc::unavailable);
            return false;
        }
    }));
    EXPECT_EQ(metric(breaker), 0);
    EXPECT_EQ(server.stat("accepted"), 1);
}

TEST_F(SmtpTurn, DoesNotCountABounceAgainstTheServer) {
    SmtpServerProcess server;
    open(server);
    server.command("mode reject550");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(send_now(letter(i)).outcome, MailOutcome::rejected);
    EXPECT_EQ(server.stat("connections"), 1);
    server.command("mode ok");
    EXPECT_EQ(send_now(letter()).outcome, MailOutcome::sent);
}

}  // namespace
}  // namespace loadstone::outbound::internal
