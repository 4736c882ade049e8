// What is said of kinds, and who may say it when several versions of a program run side by side.

#include "loadstone/jobs/declaration.h"

#include <gtest/gtest.h>

#include <optional>

namespace loadstone::jobs {

namespace declared_kinds {

struct Address {
    std::string host = "localhost";
    std::uint16_t port = 25;
};
BOOST_DESCRIBE_STRUCT(Address, (), (host, port))

struct Deliver {
    std::string organisation, domain;
    std::int64_t message = -1;
    std::optional<double> weight;
    std::vector<Address> relays;
    Address from{"here", 7};
};
BOOST_DESCRIBE_STRUCT(Deliver, (), (organisation, domain, message, weight, relays, from))

struct Plain {};
BOOST_DESCRIBE_STRUCT(Plain, (), ())

namespace {

Task<void> handle_deliver(Context&, Job<Deliver>) { co_return; }
Task<void> handle_plain(Context&, Job<Plain>) { co_return; }

}  // namespace

}  // namespace declared_kinds

namespace {

using std::chrono::minutes;

TEST(Declaration, TellsWhatAnEnqueueNeedsToKnow) {
    Declarations all;
    Handlers handlers("post", all);
    handlers.handle(declared_kinds::handle_deliver)
        .priority(3)
        .expires_after(std::chrono::seconds(2))
        .tenant(&declared_kinds::Deliver::organisation)
        .limit({.name = "mail", .per_second = 10}, &declared_kinds::Deliver::domain)
        .unique_for(std::chrono::hours(1), &declared_kinds::Deliver::message)
        .bound(100, OverBound::delay, std::chrono::milliseconds(5))
        .version(2, [](int, std::string json) { return json; });
    const KindDeclaration declared = declaration_of(*all.kinds.front());
    EXPECT_EQ(declared.queue, "post");
    EXPECT_EQ(declared.priority, 3);
    EXPECT_EQ(declared.version, 2);
    EXPECT_EQ(declared.expires_after, 2'000'000);
    EXPECT_EQ(declared.tenant, "organisation");
    ASSERT_EQ(declared.limits.size(), 1U);
    EXPECT_EQ(declared.limits[0].name, "mail");
    EXPECT_EQ(declared.limits[0].field, "domain");
    EXPECT_TRUE(declared.is_unique);
    EXPECT_EQ(declared.unique, std::vector<std::string>{"message"});
    EXPECT_EQ(declared.unique_for, 3'600'000'000);
    EXPECT_EQ(declared.bound, 100);
    EXPECT_EQ(declared.over_bound, "delay");
    EXPECT_EQ(declared.over_bound_delay, 5'000);
}

TEST(Declaration, TellsTheTypesAndDefaultsOfMembers) {
    Declarations all;
    Handlers handlers("post", all);
    handlers.handle(declared_kinds::handle_deliver);
    const auto members = declaration_of(*all.kinds.front()).arguments.members;
    ASSERT_EQ(members.size(), 6U);
    EXPECT_EQ(to_json(members[2]), R"({"name":"message","type":"integer","is_optional":false,)"
                                   R"("min":"-9223372036854775808","max":"9223372036854775807",)"
                                   R"("missing":"-1","members":[]})");
    EXPECT_EQ(members[3].type, "real");
    EXPECT_TRUE(members[3].is_optional);
    EXPECT_EQ(members[3].missing, "null");
    EXPECT_EQ(members[4].type, "list");
    EXPECT_EQ(members[4].missing, "[]");
    ASSERT_EQ(members[4].members.size(), 1U);
    EXPECT_EQ(members[4].members[0].members.at(0).missing, "\"localhost\"");
    EXPECT_EQ(members[5].type, "record");
    EXPECT_EQ(members[5].members.at(0).missing, "\"here\"");
    EXPECT_EQ(members[5].members.at(1).max, "65535");
}

TEST(Declaration, OfAKindWithNothingIsPlain) {
    Declarations all;
    Handlers handlers("post", all);
    handlers.handle(declared_kinds::handle_plain);
    const KindDeclaration declared = declaration_of(*all.kinds.front());
    EXPECT_FALSE(declared.is_unique);
    EXPECT_EQ(declared.tenant, "");
    EXPECT_EQ(declared.arguments.type, "record");
    EXPECT_TRUE(declared.arguments.members.empty());
}

TEST(Declaration, TheLastToStartIsRightWhileSomebodyAgrees) {
    const auto age = [](minutes time) { return std::chrono::microseconds(time).count(); };
    struct Case {
        const char* stored;
        std::int64_t age;
        bool is_start, is_written;
    };
    for (const Case& c : {
             Case{nullptr, 0, true, true},
             {nullptr, 0, false, true},
             {"other", 0, true, true},
             {"other", 0, false, false},
             {"other", age(declaration_kept) - 1, false, false},
             {"other", age(declaration_kept), false, true},
             {"own", 0, true, false},
             {"own", age(declaration_confirmed) - 1, true, false},
             {"own", age(declaration_confirmed) - 1, false, false},
             {"own", age(declaration_confirmed), false, true},
         }) {
        std::vector<StoredDeclaration> stored{{"else.Kind", "own", 0}};
        if (c.stored != nullptr) stored.push_back({"post.Kind", c.stored, c.age});
        const auto written = to_declare({{"post.Kind", "own"}}, stored, c.is_start);
        EXPECT_EQ(written.size(), c.is_written ? 1U : 0U)
            << (c.stored == nullptr ? "none" : c.stored) << " " << c.age << " " << c.is_start;
    }
}

}  // namespace

}  // namespace loadstone::jobs
