#pragma once
// The job kinds of the tests of what a kind can declare and a handler can do.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "loadstone/jobs/publish.h"
#include "loadstone/jobs/workflow.h"
#include "tests/conformance/jobs_stage.h"

namespace features {

using test_kinds::Bounded;
using test_kinds::Fleeting;
using test_kinds::Postponed;
using test_kinds::stage;

struct Crowded {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Crowded, (), (key, text))

struct Throttled {
    std::string host, text;
};
BOOST_DESCRIBE_STRUCT(Throttled, (), (host, text))

struct Ordered {
    std::string account;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Ordered, (), (account, number))

struct Tenanted {
    std::string tenant;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Tenanted, (), (tenant, number))

struct Unique {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Unique, (), (key, text))

struct Periodic {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(Periodic, (), (key))

struct Greeting {
    std::string name, language;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (name, language))

struct Long {
    int steps = 0;
};
BOOST_DESCRIBE_STRUCT(Long, (), (steps))

struct Stubborn {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Stubborn, (), (text))

struct Snoozer {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Snoozer, (), (text))

struct Part {
    std::string name;
    int value = 0;
};
BOOST_DESCRIBE_STRUCT(Part, (), (name, value))

struct Sum {
    std::string of;
};
BOOST_DESCRIBE_STRUCT(Sum, (), (of))

struct Happened {
    std::string what;
};
BOOST_DESCRIBE_STRUCT(Happened, (), (what))

struct Doomed {
    std::string text, note;
};
BOOST_DESCRIBE_STRUCT(Doomed, (), (text, note))

void declare(loadstone::Handlers& handlers);

}  // namespace features

namespace tests::conformance {

class JobFeatures : public StagedJobs {
protected:
    JobFeatures() : StagedJobs(features::declare) {}

    // Its first job ends without its handler, which may end then.
    void leave_one_behind(Node& node) {
        stage_.may_end = false;
        const auto id = node.write(add<features::Stubborn>, features::Stubborn{"deaf"});
        node.run();
        ASSERT_TRUE(wait_until([&] { return runs().size() == 1; }));
        EXPECT_TRUE(node.write(jobs::cancel_job, id).was_asked);
        ASSERT_TRUE(is_done(node)) << "the job ends without it";
        stage_.may_end = true;
    }
    std::vector<std::string> runs() { return diary_.all(); }
    std::map<std::string, int> counts() {
        std::map<std::string, int> all;
        for (const std::string& text : runs()) ++all[text];
        return all;
    }
    // The tables that hold what concerns a job's end are empty.
    void expect_nothing_left(Node& node) { EXPECT_EQ(node.read(count_left), 0); }
    static Task<std::int64_t> count_left(Reader reader) {
        static constexpr std::string_view text =
            "select (select count(*) from loadstone_unique where until = 0) + "
            "(select count(*) from loadstone_blocked) + (select count(*) from loadstone_results) + "
            "(select count(*) from loadstone_steps) + (select count(*) from loadstone_progress) + "
            "(select count(*) from loadstone_cancels)";
        static constexpr loadstone::store::Query query{
            .name = "test.left", .sqlite = text, .postgres = text};
        const auto notes = co_await reader.one<std::int64_t>(query);
        const auto places = co_await places_taken(reader);
        co_return notes + places;
    }
};

}  // namespace tests::conformance
