#include "loadstone/runtime/context.h"

#include <gtest/gtest.h>

#include "loadstone/base/error.h"

namespace loadstone::runtime {
namespace {

using std::chrono::milliseconds;

Errc code_of_throw_if_done(const Context& context) {
    try {
        context.throw_if_done("the test");
    } catch (const Error& error) {
        EXPECT_NE(error.message().find("the test"), std::string::npos) << error.message();
        return error.code();
    }
    return Errc::internal;
}

TEST(Context, LetsThroughWhatIsNeitherCancelledNorLate) {
    const Services services;
    Context context(services, Deadline::in(std::chrono::minutes(1)));
    EXPECT_NO_THROW(context.throw_if_done("the test"));
}

TEST(Context, ThrowsWhenTheDeadlinePassed) {
    const Services services;
    Context context(services, Deadline(Deadline::Clock::now() - milliseconds(5)));
    EXPECT_EQ(code_of_throw_if_done(context), Errc::deadline_exceeded);
}

TEST(Context, ThrowsWhenCancelledEvenAfterTheDeadline) {
    const Services services;
    Context context(services, Deadline(Deadline::Clock::now() - milliseconds(5)));
    context.cancel();
    EXPECT_EQ(code_of_throw_if_done(context), Errc::cancelled);
}

TEST(Context, OnlyTightensItsDeadline) {
    const Services services;
    const Deadline near = Deadline::in(std::chrono::seconds(1));
    Context context(services, Deadline::unbounded());
    context.tighten(near);
    context.tighten(Deadline::in(std::chrono::hours(1)));
    EXPECT_EQ(context.deadline(), near);
}

TEST(Context, IsNotCancelledAndHasTimeOnceItIsShielded) {
    const Services services;
    Context context(services, Deadline(Deadline::Clock::now() - milliseconds(5)));
    context.cancel();
    context.shield(std::chrono::minutes(1));
    EXPECT_FALSE(context.is_cancelled());
    EXPECT_NO_THROW(context.throw_if_done("the test"));
    EXPECT_GT(context.deadline().remaining(), std::chrono::seconds(50));
}

TEST(Context, KeepsALaterDeadlineWhenItIsShielded) {
    const Services services;
    const Deadline far = Deadline::in(std::chrono::hours(1));
    Context context(services, far);
    context.shield(std::chrono::seconds(1));
    EXPECT_EQ(context.deadline(), far);
}

TEST(Context, RequiresASession) {
    const Services services;
    Context context(services, Deadline::unbounded());
    try {
        context.require_session();
        FAIL() << "it did not throw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unauthenticated);
    }
    context.set_session(Session{.id = 1, .user = 7});
    EXPECT_EQ(context.require_session().user, 7);
}

TEST(Deadline, CountsDownToZeroAndNotBelow) {
    EXPECT_EQ(Deadline(Deadline::Clock::now() - milliseconds(1)).remaining(), milliseconds(0));
    EXPECT_GT(Deadline::in(std::chrono::seconds(1)).remaining(), milliseconds(0));
    EXPECT_LE(Deadline::in(std::chrono::seconds(1)).remaining(), milliseconds(1000));
    EXPECT_GT(Deadline::unbounded().remaining(), std::chrono::hours(24));
    EXPECT_FALSE(Deadline::unbounded().passed());
}

TEST(Services, FindsByType) {
    struct Known {
        int value = 3;
    };
    struct Unknown {};
    Known known;
    Services services;
    services.add(known);
    EXPECT_EQ(&services.get<Known>(), &known);
    EXPECT_EQ(services.find<Unknown>(), nullptr);
}

}  // namespace
}  // namespace loadstone::runtime
