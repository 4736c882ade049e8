// What jobs refuse to hold: results and steps over their bounds, unique kinds in workflows.

#include <gtest/gtest.h>

#include "loadstone/jobs/workflow.h"
#include "tests/conformance/jobs_stage.h"

namespace refused {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;
using test_kinds::note;

// A text of so many bytes as JSON, quotes included.
std::string text_of(std::int64_t bytes) {
    return std::string(static_cast<std::size_t>(bytes) - 2, 'x');
}

struct Gives {
    std::int64_t bytes = 0;
};
BOOST_DESCRIBE_STRUCT(Gives, (), (bytes))
Task<void> handle_gives(Context& context, Job<Gives> job) {
    note(context, "gives");
    job.give(text_of(job->bytes));
    co_return;
}

struct GivesLittle {
    std::int64_t bytes = 0;
};
BOOST_DESCRIBE_STRUCT(GivesLittle, (), (bytes))
Task<void> handle_gives_little(Context& context, Job<GivesLittle> job) {
    note(context, "gives little");
    job.give(text_of(job->bytes));
    co_return;
}

struct Reads {
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Reads, (), (name))
Task<void> handle_reads(Context& context, Job<Reads> job) {
    const auto text =
        co_await jobs::result_of<std::string>(context.reader(), job.lease(), job->name);
    note(context, "read " + std::to_string(text ? text->size() + 2 : 0));
}

Task<void> save(loadstone::Tx& tx, jobs::Lease lease, std::int64_t bytes) {
    const std::string text = text_of(bytes);
    co_await jobs::save_step(tx, lease, "text", text);
}

struct Saves {
    std::int64_t bytes = 0;
};
BOOST_DESCRIBE_STRUCT(Saves, (), (bytes))
Task<void> handle_saves(Context& context, Job<Saves> job) {
    co_await context.write(save, job.lease(), job->bytes);
    const auto text = co_await jobs::saved_step<std::string>(context.reader(), job.lease(), "text");
    note(context, "saved " + std::to_string(text->size() + 2));
}

struct SavesLittle {
    std::int64_t bytes = 0;
};
BOOST_DESCRIBE_STRUCT(SavesLittle, (), (bytes))
Task<void> handle_saves_little(Context& context, Job<SavesLittle> job) {
    bool is_refused = false;
    try {
        co_await context.write(save, job.lease(), job->bytes);
    } catch (const loadstone::Error& error) {
        is_refused = error.code() == loadstone::Errc::invalid_argument;
    }
    note(context, is_refused ? "refused" : "saved");
}

struct Unique {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(Unique, (), (key))
Task<void> handle_unique(Context& context, Job<Unique> job) {
    note(context, job->key);
    co_return;
}

void declare(loadstone::Handlers& handlers) {
    handlers.handle(handle_gives);
    handlers.handle(handle_gives_little).result_bytes_max(100);
    handlers.handle(handle_reads);
    handlers.handle(handle_saves);
    handlers.handle(handle_saves_little).step_bytes_max(100);
    handlers.handle(handle_unique).unique(&Unique::key);
}

}  // namespace refused

namespace tests::conformance {
namespace {

using namespace refused;
using loadstone::Errc;
using loadstone::Error;

template <class T>
Task<std::int64_t> enqueue_and_read(Tx& tx, T first) {
    jobs::Workflow workflow;
    const auto given = workflow.add("given", first);
    workflow.add("reads", Reads{"given"}, {given});
    const auto ids = co_await jobs::enqueue(tx, workflow);
    co_return ids.front();
}
Task<bool> save_from_elsewhere(Tx& tx, jobs::Lease lease, std::int64_t bytes) {
    co_await save(tx, lease, bytes);
    co_return true;
}
Task<std::int64_t> workflow_with_unique(Tx& tx) {
    jobs::Workflow workflow;
    const auto first = workflow.add("first", Reads{"nothing"});
    workflow.add("unique", Unique{"k"}, {first});
    const auto ids = co_await jobs::enqueue(tx, workflow);
    co_return ids.front();
}
Task<std::int64_t> batch_of_unique(Tx& tx) {
    const std::vector<Unique> all{{"a"}, {"b"}};
    const Reads then{"nothing"};
    co_return co_await jobs::enqueue_batch(tx, all, then);
}
Task<std::int64_t> batch_then_unique(Tx& tx) {
    const std::vector<Reads> all{{"a"}, {"b"}};
    const Unique then{"k"};
    co_return co_await jobs::enqueue_batch(tx, all, then);
}

class JobRefused : public JobQueue {
protected:
    std::unique_ptr<Node> node() {
        return std::make_unique<Node>(database_.url(), diary_, refused::declare);
    }
    std::vector<std::string> runs_of(Node& node) {
        EXPECT_TRUE(
            wait_until([&] { return node.jobs_of("").size() == node.jobs_of("dead").size(); }));
        return diary_.all();
    }
    void expect_refused(Node& node, Task<std::int64_t> (*command)(Tx&), const std::string& why) {
        try {
            node.write(command);
            ADD_FAILURE() << "it was taken";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            EXPECT_EQ(error.message(), why);
        }
        EXPECT_TRUE(node.jobs_of("").empty()) << "nothing of it is left";
    }
};

INSTANTIATE_TEST_SUITE_P(Databases, JobRefused, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

using Texts = std::vector<std::string>;

TEST_P(JobRefused, AResultOverItsBoundBuriesTheJobAtOnce) {
    auto one = node();
    for (const std::int64_t bytes : {99, 100, 101})
        one->write(enqueue_and_read<GivesLittle>, GivesLittle{bytes});
    one->run();
    Texts runs = runs_of(*one);
    std::ranges::sort(runs);
    EXPECT_EQ(runs, (Texts{"gives little", "gives little", "gives little", "read 100", "read 99"}));
    const auto dead = one->jobs_of("dead");
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead[0].last_error,
              "invalid_argument: refused.GivesLittle gives a result of 101 bytes, more than 100");
}

TEST_P(JobRefused, AResultMayHave64KiBIfNothingElseIsSaid) {
    auto one = node();
    for (const std::int64_t bytes : {65'535, 65'536, 65'537})
        one->write(enqueue_and_read<Gives>, Gives{bytes});
    one->run();
    Texts runs = runs_of(*one);
    std::ranges::sort(runs);
    EXPECT_EQ(runs, (Texts{"gives", "gives", "gives", "read 65535", "read 65536"}));
    EXPECT_EQ(one->jobs_of("dead").size(), 1U);
}

TEST_P(JobRefused, AStepOverItsBoundIsNotSaved) {
    auto one = node();
    for (const std::int64_t bytes : {99, 100, 101})
        one->write(add<SavesLittle>, SavesLittle{bytes});
    one->run();
    Texts runs = runs_of(*one);
    std::ranges::sort(runs);
    EXPECT_EQ(runs, (Texts{"refused", "saved", "saved"}));
    EXPECT_TRUE(one->jobs_of("dead").empty()) << "the handler went on without it";
}

TEST_P(JobRefused, AStepMayHave64KiBIfNothingElseIsSaid) {
    auto one = node();
    for (const std::int64_t bytes : {65'535, 65'536, 65'537}) one->write(add<Saves>, Saves{bytes});
    one->run();
    Texts runs = runs_of(*one);
    std::ranges::sort(runs);
    EXPECT_EQ(runs, (Texts{"saved 65535", "saved 65536"}));
    const auto dead = one->jobs_of("dead");
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead[0].last_error,
              "invalid_argument: refused.Saves saves a step \"text\" of 65537 bytes, more than "
              "65536");
}

TEST_P(JobRefused, AStepOfALeaseWithoutItsRunHasTheUsualBound) {
    auto one = node();
    try {
        one->write(save_from_elsewhere, jobs::Lease{1, 1, 1}, std::int64_t{65'537});
        ADD_FAILURE() << "it was saved";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::invalid_argument) << error.message();
    }
}

TEST_P(JobRefused, AUniqueKindIsNoPartOfAWorkflow) {
    auto one = node();
    expect_refused(
        *one, workflow_with_unique,
        "refused.Unique is a unique kind: it cannot be a step of a workflow (\"unique\")");
}

TEST_P(JobRefused, AUniqueKindIsNoPartOfABatch) {
    auto one = node();
    expect_refused(*one, batch_of_unique,
                   "refused.Unique is a unique kind: it cannot be a job of a batch");
    expect_refused(*one, batch_then_unique,
                   "refused.Unique is a unique kind: it cannot be what ends a batch");
}

}  // namespace
}  // namespace tests::conformance
