// What the job queue promises, on every database: each job once, priorities, leases and their
// fences, outcomes that can always be recorded.

#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/enqueue.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/runner.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/sql.h"
#include "tests/conformance/conformance.h"

namespace conformance_jobs {

struct Note {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Note, (), (text))

struct Urgent {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Urgent, (), (text))

// What ran, in order; a service of the test.
struct Diary {
    std::mutex mutex;
    std::vector<std::string> runs;

    void ran(const std::string& text) {
        const std::lock_guard lock(mutex);
        runs.push_back(text);
    }
    std::vector<std::string> all() {
        const std::lock_guard lock(mutex);
        return runs;
    }
};

loadstone::Task<void> handle_note(loadstone::Context& context, loadstone::Job<Note> job) {
    using namespace loadstone;
    context.services().get<Diary>().ran(job->text);
    if (job->text == "garbled")
        throw std::runtime_error(std::string("bytes \xff\xfe and \0 zero", 17));
    if (job->text == "long") {
        std::string umlauts;
        for (int i = 0; i < 3'000; ++i) umlauts += "\xc3\xa4";
        throw std::runtime_error(umlauts);
    }
    if (job->text == "completed") {
        co_await context.write(jobs::complete, job.lease());
        throw Error(Errc::internal, "after all was done");
    }
}

loadstone::Task<void> handle_urgent(loadstone::Context& context, loadstone::Job<Urgent> job) {
    context.services().get<Diary>().ran(job->text);
    co_return;
}

}  // namespace conformance_jobs

namespace tests::conformance {
namespace {

namespace jobs = loadstone::jobs;
namespace runtime = loadstone::runtime;
using conformance_jobs::Diary;
using conformance_jobs::Note;
using conformance_jobs::Urgent;
using std::chrono::milliseconds;

template <class Job>
Task<std::int64_t> enqueue_in(Tx& tx, Job job) {
    co_return co_await tx.enqueue(job);
}

// One process with a database, a queue and, once run(), a runner.
struct Node {
    Node(const std::string& url, Diary& diary) : options(test_options(url)) {
        const std::vector<loadstone::store::ModuleMigrations> modules{
            loadstone::store::store_migrations(), {"loadstone_jobs", jobs::sql::migrations}};
        loadstone::store::migrate(options, modules);
        database = loadstone::store::open_database(options, registry);
        std::vector<std::unique_ptr<jobs::Kind>> kinds;
        loadstone::Handlers handlers("test", kinds);
        handlers.handle(conformance_jobs::handle_note).attempts(1);
        handlers.handle(conformance_jobs::handle_urgent).priority(5);
        queue = std::make_unique<jobs::Queue>(std::move(kinds), *database, registry);
        services.add<loadstone::store::Database>(*database);
        services.add<jobs::Queue>(*queue);
        services.add<Diary>(diary);
        loops.start();
        database->start(loops);
        runner_options.heartbeat_every = milliseconds(100);
        runner_options.dead_after = milliseconds(1'000);
        runner_options.poll_every = milliseconds(200);
    }
    ~Node() {
        if (runner) {
            EXPECT_TRUE(runner->stop(Deadline::in(milliseconds(5'000))));
        }
        database->stop();
        loops.stop();
    }
    void run() {
        runner = std::make_unique<jobs::Runner>(runner_options, *queue, jobs::JobBulkheads{}, loops,
                                                services, registry);
        runner->start();
    }
    // Runs a command in a transaction of its own.
    template <class Command, class... Arguments>
    auto write(Command command, Arguments... arguments) {
        using T = typename loadstone::store::internal::TaskValue<
            std::invoke_result_t<Command&, Tx&, const Arguments&...>>::type;
        std::optional<T> result;
        std::exception_ptr error;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), write_on_loop(command, &result, &error, arguments...));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        if (error) std::rethrow_exception(error);
        return std::move(*result);
    }
    template <class T, class Command, class... Arguments>
    Task<void> write_on_loop(Command command, std::optional<T>* result, std::exception_ptr* error,
                             Arguments... arguments) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        context.span().start(0, "test");
        try {
            result->emplace(co_await context.write(command, arguments...));
        } catch (...) {
            *error = std::current_exception();
        }
    }
    std::int64_t enqueue(const std::string& text) { return write(enqueue_in<Note>, Note{text}); }
    std::int64_t enqueue_urgent(const std::string& text) {
        return write(enqueue_in<Urgent>, Urgent{text});
    }
    std::vector<jobs::JobRow> jobs_of(const std::string& state) {
        std::vector<jobs::JobRow> rows;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), list_on_loop(state, &rows));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        return rows;
    }
    Task<void> list_on_loop(std::string state, std::vector<jobs::JobRow>* rows) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        *rows = co_await jobs::list_jobs(context.reader(), state, "", 0, 1'000);
    }

    loadstone::telemetry::Registry registry;
    loadstone::store::DatabaseOptions options;
    runtime::Loops loops{{.threads = 2, .blocked_after = milliseconds(1'000)}, registry};
    runtime::Services services;
    std::unique_ptr<loadstone::store::Database> database;
    std::unique_ptr<jobs::Queue> queue;
    jobs::RunnerOptions runner_options;
    std::unique_ptr<jobs::Runner> runner;
};

class JobQueue : public testing::TestWithParam<Backend> {
protected:
    TestDatabase database_{GetParam()};
    Diary diary_;
};

INSTANTIATE_TEST_SUITE_P(Databases, JobQueue, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

const std::string known_kinds = R"(["conformance_jobs.Note","conformance_jobs.Urgent"])";

TEST_P(JobQueue, TwoProcessesRunEachJobOnce) {
    Node one(database_.url(), diary_);
    Node two(database_.url(), diary_);
    one.run();
    two.run();
    std::map<std::string, int> expected;
    for (int i = 0; i < 150; ++i) {
        one.enqueue(std::to_string(i));
        expected[std::to_string(i)] = 1;
    }
    ASSERT_TRUE(wait_until([&] { return one.jobs_of("").empty(); }, std::chrono::seconds(30)));
    std::map<std::string, int> runs;
    for (const std::string& text : diary_.all()) ++runs[text];
    EXPECT_EQ(runs, expected);
}

TEST_P(JobQueue, HigherPrioritiesGoFirstThenTheOlder) {
    Node node(database_.url(), diary_);
    node.enqueue("first");
    node.enqueue("second");
    node.enqueue_urgent("urgent");
    node.runner_options.running_max = 1;
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }, std::chrono::seconds(20)));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"urgent", "first", "second"}));
}

TEST_P(JobQueue, ErrorsThatAreNoTextAreRecordedAsText) {
    Node node(database_.url(), diary_);
    node.run();
    node.enqueue("garbled");
    node.enqueue("long");
    ASSERT_TRUE(
        wait_until([&] { return node.jobs_of("dead").size() == 2; }, std::chrono::seconds(20)));
    const auto dead = node.jobs_of("dead");
    EXPECT_EQ(dead[1].last_error, "internal: bytes ?? and ");
    EXPECT_LE(dead[0].last_error.size(), 2'000U);
    EXPECT_TRUE(dead[0].last_error.ends_with("\xc3\xa4")) << "cut between two letters";
    node.enqueue("after them");
    EXPECT_TRUE(wait_until(
        [&] { return node.jobs_of("waiting").empty() && node.jobs_of("running").empty(); }));
}

TEST_P(JobQueue, AJobThatCompletedItselfAndThenFailedIsDone) {
    Node node(database_.url(), diary_);
    node.run();
    node.enqueue("completed");
    ASSERT_TRUE(wait_until([&] { return !diary_.all().empty() && node.jobs_of("").empty(); }));
    node.enqueue("another");
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 2 && node.jobs_of("").empty(); }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"completed", "another"}));
}

TEST_P(JobQueue, ADeadProcessLosesItsJobsAndItsSay) {
    Node node(database_.url(), diary_);
    const auto id = node.enqueue("orphan");
    const auto dead = node.write(jobs::internal::register_process, std::string("dead:1"));
    const auto claimed = node.write(jobs::internal::claim, dead, known_kinds, std::int64_t{10});
    ASSERT_EQ(claimed.rows.size(), 1U);
    EXPECT_EQ(claimed.rows[0].id, id);
    EXPECT_TRUE(
        node.write(jobs::internal::claim, dead, known_kinds, std::int64_t{10}).rows.empty());

    ASSERT_TRUE(wait_until(
        [&] { return node.write(jobs::internal::rescue, std::int64_t{1'000}, 3).rescued == 1; }));
    const auto waiting = node.jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].crashes, 1);
    EXPECT_EQ(waiting[0].attempt, 0);

    EXPECT_FALSE(node.write(jobs::internal::renew_heartbeat, dead));
    EXPECT_TRUE(node.write(jobs::internal::claim, dead, known_kinds, std::int64_t{10}).rows.empty())
        << "a process that was declared dead claims nothing";
    std::vector<jobs::internal::Finished> late(1);
    late[0].lease = {id, dead, claimed.rows[0].fence};
    late[0].decision.verdict = jobs::Verdict::bury;
    const auto recorded = node.write(jobs::internal::record, dead, late);
    EXPECT_EQ(recorded.lost, 1U) << "a lost lease";
    EXPECT_EQ(recorded.buried, 0U);
    EXPECT_EQ(node.jobs_of("waiting").size(), 1U);
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"orphan"}));
}

TEST_P(JobQueue, WhatAProcessHoldsUnknowinglyIsHandedBack) {
    Node node(database_.url(), diary_);
    const auto known = node.enqueue("known");
    const auto stray = node.enqueue("stray");
    const auto process = node.write(jobs::internal::register_process, std::string("holder"));
    ASSERT_EQ(node.write(jobs::internal::claim, process, known_kinds, std::int64_t{10}).rows.size(),
              2U);
    EXPECT_EQ(node.write(jobs::internal::hand_back_strays, process, fmt::format("[{}]", known)), 1);
    const auto waiting = node.jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].id, stray);
    EXPECT_EQ(waiting[0].attempt, 0);
    EXPECT_EQ(node.jobs_of("running").size(), 1U);
    EXPECT_EQ(node.write(jobs::internal::hand_back_strays, process, std::string("[]")), 1);
    EXPECT_EQ(node.write(jobs::internal::hand_back_strays, process, std::string("[]")), 0);
}

TEST_P(JobQueue, AJobThatKillsItsProcessesIsBuried) {
    Node node(database_.url(), diary_);
    node.enqueue("poison");
    for (int life = 1; life <= 3; ++life) {
        const auto process = node.write(jobs::internal::register_process, std::string("victim"));
        ASSERT_EQ(
            node.write(jobs::internal::claim, process, known_kinds, std::int64_t{10}).rows.size(),
            1U);
        ASSERT_TRUE(wait_until([&] {
            const auto taken = node.write(jobs::internal::rescue, std::int64_t{1'000}, 3);
            return (life < 3 ? taken.rescued : taken.buried) == 1;
        }));
    }
    const auto dead = node.jobs_of("dead");
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead[0].crashes, 3);
    EXPECT_EQ(dead[0].last_error, "its process died 3 times while it ran");
    EXPECT_TRUE(node.write(jobs::retry_job, dead[0].id));
    EXPECT_EQ(node.jobs_of("waiting").size(), 1U);
}

TEST_P(JobQueue, KindsThatAreUnknownHereWaitForOneWhoKnowsThem) {
    Node node(database_.url(), diary_);
    node.enqueue("unknown to it");
    node.enqueue_urgent("unknown to it too");
    const auto process = node.write(jobs::internal::register_process, std::string("older program"));
    EXPECT_TRUE(node.write(jobs::internal::claim, process, std::string(R"(["other.Kind"])"),
                           std::int64_t{10})
                    .rows.empty());
    const auto some = node.write(jobs::internal::claim, process,
                                 std::string(R"(["conformance_jobs.Note"])"), std::int64_t{10});
    ASSERT_EQ(some.rows.size(), 1U)
        << "what it knows, though what it does not know is of a higher priority";
    EXPECT_EQ(some.rows[0].kind, "conformance_jobs.Note");
}

}  // namespace
}  // namespace tests::conformance
