// The runner on a real SQLite file: what a job's life comes to. Processes that die, PostgreSQL and
// outages are in tests/conformance and tests/process.

#include "loadstone/jobs/runner.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>

#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/enqueue.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/context_store.h"
#include "loadstone/store/migrations.h"
#include "loadstone/store/sql.h"

namespace jobs_test {

struct Note {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Note, (), (text))

struct Slow {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Slow, (), (text))

struct Final {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Final, (), (text))

// What handlers did, by the note's text; a service of the test.
struct Diary {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, int> runs;
    std::map<std::string, std::string> keys;
    bool up = false;                 // whether "unavailable" notes succeed
    loadstone::runtime::Event open;  // for slow ones to end

    void ran(const std::string& text, const std::string& key) {
        const std::lock_guard lock(mutex);
        ++runs[text];
        keys[text] = key;
        changed.notify_all();
    }
    int count(const std::string& text) {
        const std::lock_guard lock(mutex);
        return runs[text];
    }
};

loadstone::Task<void> handle_note(loadstone::Context& context, loadstone::Job<Note> job) {
    using namespace loadstone;
    Diary& diary = context.services().get<Diary>();
    diary.ran(job->text, job.idempotency_key());
    if (job->text == "unavailable") {
        bool up = false;
        {
            const std::lock_guard lock(diary.mutex);
            up = diary.up;
        }
        if (!up)
            throw Error(Errc::unavailable, "not yet")
                .with_retry_after(std::chrono::milliseconds(5));
    }
    if (job->text == "away")
        throw Error(Errc::unavailable, "the mail server is away")
            .with_retry_after(std::chrono::seconds(60));
    if (job->text == "hopeless") throw Error(Errc::invalid_argument, "cannot be");
    if (job->text == "failing") throw std::runtime_error("a foreign exception");
    if (job->text == "self-completed") co_await context.write(jobs::complete, job.lease());
    if (job->text == "endless") {
        while (!context.is_cancelled()) {
            const Deadline soon = Deadline::in(std::chrono::milliseconds(2));
            co_await runtime::sleep_until(soon);
        }
        context.throw_if_done("an endless note");
    }
}

loadstone::Task<void> handle_slow(loadstone::Context& context, loadstone::Job<Slow> job) {
    using namespace loadstone;
    Diary& diary = context.services().get<Diary>();
    diary.ran(job->text, job.idempotency_key());
    const Deadline deadline = Deadline::in(std::chrono::seconds(30));
    co_await diary.open.wait(deadline);
}

// Finishes although it was cancelled, and records that.
loadstone::Task<void> handle_final(loadstone::Context& context, loadstone::Job<Final> job) {
    using namespace loadstone;
    Diary& diary = context.services().get<Diary>();
    diary.ran(job->text, job.idempotency_key());
    while (!context.is_cancelled()) {
        const Deadline soon = Deadline::in(std::chrono::milliseconds(2));
        co_await runtime::sleep_until(soon);
    }
    context.shield(jobs::recording_grace);
    co_await context.write(jobs::complete, job.lease());
}

}  // namespace jobs_test

namespace loadstone::jobs {
namespace {

using jobs_test::Diary;
using jobs_test::Final;
using jobs_test::Note;
using jobs_test::Slow;
using std::chrono::milliseconds;

// One process: a database, loops, a queue and, if started, a runner.
struct Node {
    explicit Node(const std::string& url) {
        options.url = url;
        const std::vector<store::ModuleMigrations> modules{{"loadstone", store::sql::migrations},
                                                           {"loadstone_jobs", sql::migrations}};
        store::migrate(options, modules);
        database = store::open_database(options, registry);
        Declarations declared;
        Handlers handlers("test", declared);
        handlers.handle(jobs_test::handle_note)
            .attempts(2)
            .backoff(milliseconds(1), milliseconds(2));
        Handlers slow("slow", declared);
        slow.handle(jobs_test::handle_slow).attempts(1).timeout(milliseconds(1));
        slow.handle(jobs_test::handle_final);
        queue = std::make_unique<Queue>(std::move(declared), *database, registry);
        services.add<store::Database>(*database);
        services.add<Queue>(*queue);
        services.add<Diary>(diary);
        loops.start();
        database->start(loops);
        runner_options.heartbeat_every = milliseconds(50);
        runner_options.dead_after = milliseconds(400);
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
        const JobBulkheads bulkheads{{"slow", &slow_jobs}};
        runner =
            std::make_unique<Runner>(runner_options, *queue, bulkheads, loops, services, registry);
        runner->start();
    }
    template <class T>
    T wait_for(Task<T> task) {
        runtime::TaskScope scope("test");
        std::optional<T> result;
        std::exception_ptr error;
        scope.spawn(loops.executor(0), keep(std::move(task), &result, &error));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        if (error) std::rethrow_exception(error);
        return std::move(*result);
    }
    template <class T>
    static Task<void> keep(Task<T> task, std::optional<T>* result, std::exception_ptr* error) {
        try {
            result->emplace(co_await std::move(task));
        } catch (...) {
            *error = std::current_exception();
        }
    }
    template <class T = Note>
    std::int64_t enqueue(const std::string& text) {
        return wait_for(enqueue_in<T>(text));
    }
    template <class T>
    Task<std::int64_t> enqueue_in(std::string text) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        context.span().start(0, "test");
        const T note{std::move(text)};
        co_return co_await context.write(enqueue_note<T>, note);
    }
    template <class T>
    static Task<std::int64_t> enqueue_note(Tx& tx, T note) {
        co_return co_await jobs::enqueue(tx, note);
    }
    static Task<std::int64_t> enqueue_and_fail(Tx& tx, Note note) {
        co_await tx.enqueue(note);
        throw Error(Errc::conflict, "rolled back");
    }
    Task<std::int64_t> enqueue_rolled_back(std::string text) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        context.span().start(0, "test");
        const Note note{std::move(text)};
        co_return co_await context.write(enqueue_and_fail, note);
    }
    template <class Command>
    void write(Command command) {
        wait_for(write_in(command));
    }
    template <class Command>
    Task<bool> write_in(Command command) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        context.span().start(0, "test");
        co_await context.write(command);
        co_return true;
    }
    std::vector<JobRow> jobs(std::string state = "") { return wait_for(jobs_in(std::move(state))); }
    Task<std::vector<JobRow>> jobs_in(std::string state) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        JobFilter filter;
        filter.state = std::move(state);
        filter.limit = 1'000;
        co_return co_await list_jobs(context.reader(), std::move(filter));
    }
    bool retry(std::int64_t id) { return wait_for(retry_in(id)); }
    Task<bool> retry_in(std::int64_t id) {
        Context context(services, Deadline::in(milliseconds(10'000)));
        co_return co_await context.write(retry_job, id);
    }

    telemetry::Registry registry;
    store::DatabaseOptions options;
    runtime::Loops loops{{.threads = 2, .blocked_after = milliseconds(1'000)}, registry};
    runtime::Services services;
    Diary diary;
    admission::Bulkhead slow_jobs{{.name = "slow.jobs", .concurrency_max = 2, .queue_max = 0},
                                  registry};
    std::unique_ptr<store::Database> database;
    std::unique_ptr<Queue> queue;
    RunnerOptions runner_options;
    std::unique_ptr<Runner> runner;
};

template <class Condition>
bool wait_until(Condition condition, milliseconds limit = milliseconds(15'000)) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        never.wait_for(lock, milliseconds(2));
    }
    return true;
}

template <const store::Command& Statement>
Task<void> execute(Tx& tx) {
    co_await tx.exec(Statement);
}

constexpr store::Command refuse_claims{
    .name = "test.refuse_claims",
    .sqlite =
        "create trigger refuse_claims before insert on loadstone_batches "
        "when new.claimed_at <> 77 begin select raise(abort, 'refused'); end",
    .postgres = ""};
constexpr store::Command allow_claims{
    .name = "test.allow_claims", .sqlite = "drop trigger refuse_claims", .postgres = ""};
// As a claim leaves it whose commit happened though its answer was lost.
constexpr store::Command claim_unseen{
    .name = "test.claim_unseen",
    .sqlite =
        "insert into loadstone_batches (process, claimed_at, jobs) "
        "select p.id, 77, json_array(json_object('id', r.seq, "
        "'queue', queue, 'priority', 0, 'kind', kind, "
        "'arguments', arguments, 'idempotency_key', '', "
        "'cause', '', 'enqueued_at', 0, 'run_at', 0, "
        "'attempt', 0, 'crashes', 0, 'last_error', '')) "
        "from loadstone_ready r, loadstone_processes p",
    .postgres = ""};
constexpr store::Command forget_ready{
    .name = "test.forget_ready", .sqlite = "delete from loadstone_ready", .postgres = ""};

constexpr store::Command pause_all{
    .name = "test.pause_all",
    .sqlite = "insert into loadstone_queues (name, is_paused) values ('test', 1), ('slow', 1)",
    .postgres = ""};

// An outage: neither heartbeats nor outcomes can be written.
constexpr store::Command refuse_heartbeats{
    .name = "test.refuse_heartbeats",
    .sqlite =
        "create trigger refuse_heartbeats before update on loadstone_processes "
        "begin select raise(abort, 'refused'); end",
    .postgres = ""};
constexpr store::Command allow_heartbeats{
    .name = "test.allow_heartbeats", .sqlite = "drop trigger refuse_heartbeats", .postgres = ""};
constexpr store::Command refuse_outcomes{
    .name = "test.refuse_outcomes",
    .sqlite =
        "create trigger refuse_outcomes before insert on loadstone_scheduled "
        "begin select raise(abort, 'refused'); end",
    .postgres = ""};
constexpr store::Command allow_outcomes{
    .name = "test.allow_outcomes", .sqlite = "drop trigger refuse_outcomes", .postgres = ""};
constexpr store::Command refuse_processes{
    .name = "test.refuse_processes",
    .sqlite =
        "create trigger refuse_processes before insert on loadstone_processes "
        "begin select raise(abort, 'refused'); end",
    .postgres = ""};
constexpr store::Command allow_processes{
    .name = "test.allow_processes", .sqlite = "drop trigger refuse_processes", .postgres = ""};

// Holds the one writer, as a slow disk does, and commits a job when it is let go.
struct SlowWrite {
    std::mutex mutex;
    std::condition_variable changed;
    bool is_held = false;
    bool may_end = false;

    void set(bool SlowWrite::* what) {
        const std::lock_guard lock(mutex);
        this->*what = true;
        changed.notify_all();
    }
    void wait(bool SlowWrite::* what) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return this->*what; });
    }
};
SlowWrite slow_write;  // of one test at a time

Task<void> enqueue_slowly(Tx& tx) {
    const Note note{"late"};
    co_await tx.enqueue(note);
    slow_write.set(&SlowWrite::is_held);
    slow_write.wait(&SlowWrite::may_end);
}

struct RunnerTest : testing::Test {
    std::filesystem::path folder = std::filesystem::temp_directory_path() /
                                   fmt::format("runner_test_{}_{}", getpid(), counter++);
    static inline int counter = 0;

    void SetUp() override {
        std::filesystem::create_directories(folder);
        slow_write.is_held = slow_write.may_end = false;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }
    std::string url() const { return "sqlite:" + (folder / "jobs.db").string(); }
};

TEST_F(RunnerTest, RunsEachCommittedJobOnceAndForgetsIt) {
    Node node(url());
    node.run();
    for (int i = 0; i < 200; ++i) node.enqueue(fmt::format("note {}", i));
    ASSERT_TRUE(wait_until([&] { return node.jobs().empty(); }));
    for (int i = 0; i < 200; ++i) EXPECT_EQ(node.diary.count(fmt::format("note {}", i)), 1) << i;
}

TEST_F(RunnerTest, RunsNoJobOfATransactionThatRolledBack) {
    Node node(url());
    node.run();
    EXPECT_THROW(node.wait_for(node.enqueue_rolled_back("never")), Error);
    node.enqueue("after");
    ASSERT_TRUE(wait_until([&] { return node.diary.count("after") == 1; }));
    EXPECT_EQ(node.diary.count("never"), 0);
}

TEST_F(RunnerTest, PutsOffWithoutCountingWhileTheWorldIsNotReady) {
    Node node(url());
    node.run();
    node.enqueue("unavailable");
    ASSERT_TRUE(wait_until([&] { return node.diary.count("unavailable") > 4; }))
        << "more often than attempts_max";
    {
        const std::lock_guard lock(node.diary.mutex);
        node.diary.up = true;
    }
    EXPECT_TRUE(wait_until([&] { return node.jobs().empty(); }));
    EXPECT_TRUE(node.jobs("dead").empty());
}

TEST_F(RunnerTest, BuriesAfterTheLastAttemptAndAnOperatorDigsItUp) {
    Node node(url());
    node.run();
    const auto failing = node.enqueue("failing");
    ASSERT_TRUE(wait_until([&] { return node.jobs("dead").size() == 1; }));
    EXPECT_EQ(node.diary.count("failing"), 2);
    const JobRow dead = node.jobs("dead").front();
    EXPECT_EQ(dead.id, failing);
    EXPECT_EQ(dead.last_error, "internal: a foreign exception");
    EXPECT_EQ(dead.attempt, 2);

    EXPECT_TRUE(node.retry(failing));
    ASSERT_TRUE(wait_until([&] { return node.diary.count("failing") == 4; }))
        << "two attempts again";
    EXPECT_FALSE(node.retry(failing + 1'000));
}

TEST_F(RunnerTest, BuriesAtOnceWhatCannotGetBetter) {
    Node node(url());
    node.run();
    node.enqueue("hopeless");
    ASSERT_TRUE(wait_until([&] { return node.jobs("dead").size() == 1; }));
    EXPECT_EQ(node.diary.count("hopeless"), 1);
}

TEST_F(RunnerTest, TakesAJobThatItsHandlerCompletedAsDone) {
    Node node(url());
    node.run();
    node.enqueue("self-completed");
    ASSERT_TRUE(
        wait_until([&] { return node.jobs().empty() && node.diary.count("self-completed") > 0; }));
    EXPECT_EQ(node.diary.count("self-completed"), 1);
}

TEST_F(RunnerTest, AnotherProcessIsWokenByACommit) {
    Node web(url());
    Node work(url());
    work.runner_options.poll_every = milliseconds(60'000);
    work.run();
    ASSERT_TRUE(wait_until([&] {
        web.enqueue("hello");
        return work.diary.count("hello") > 0;
    }));
    const int before = work.diary.count("hello");
    web.enqueue("hello");
    EXPECT_TRUE(
        wait_until([&] { return work.diary.count("hello") > before; }, milliseconds(5'000)));
    EXPECT_EQ(web.diary.count("hello"), 0);
}

TEST_F(RunnerTest, HandsBackWhatItCouldNotEnd) {
    Node node(url());
    {
        Node stopped(url());
        stopped.run();
        stopped.enqueue("endless");
        ASSERT_TRUE(wait_until([&] { return stopped.diary.count("endless") == 1; }));
        EXPECT_TRUE(stopped.runner->stop(Deadline::in(milliseconds(20))));
        stopped.runner.reset();
    }
    const auto rows = node.jobs();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows.front().state, "waiting");
    EXPECT_EQ(rows.front().attempt, 0) << "neither a failure";
    EXPECT_EQ(rows.front().crashes, 0) << "nor a crash";
}

TEST_F(RunnerTest, RecordsWhatIsFinalThoughItIsStopped) {
    Node node(url());
    node.run();
    node.enqueue<Final>("mail sent");
    ASSERT_TRUE(wait_until([&] { return node.diary.count("mail sent") == 1; }));
    EXPECT_TRUE(node.runner->stop(Deadline::in(milliseconds(20))));
    node.runner.reset();
    EXPECT_TRUE(node.jobs().empty());
}

TEST_F(RunnerTest, AModuleThatIsBusyHoldsUpNoOther) {
    Node node(url());
    node.runner_options.running_max = 4;
    for (int i = 0; i < 10; ++i) node.enqueue<Slow>("slow");
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.diary.count("slow") == 2; }));
    for (int i = 0; i < 10; ++i) node.enqueue("quick");
    EXPECT_TRUE(wait_until([&] { return node.diary.count("quick") == 10; }));
    EXPECT_EQ(node.diary.count("slow"), 2) << "as many as its bulkhead takes";
    EXPECT_EQ(node.jobs("waiting").size(), 8U);

    node.diary.open.set();
    EXPECT_TRUE(wait_until([&] { return node.jobs().empty(); }));
    EXPECT_EQ(node.diary.count("slow"), 10)
        << "their timeout is 1 ms and they have one attempt: the wait is no part of it";
}

TEST_F(RunnerTest, WhereAllQueuesArePausedItPullsNevertheless) {
    Node node(url());
    node.write(execute<pause_all>);
    node.enqueue("waits");
    node.run();
    const auto end = std::chrono::steady_clock::now() + milliseconds(1'500);
    ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > end; }));
    EXPECT_LT(node.runner->since_pulling(), milliseconds(1'000));
    EXPECT_EQ(node.diary.count("waits"), 0);
}

TEST_F(RunnerTest, OfAKindThatNeedsWhatIsAwayNoMoreIsClaimedForAWhile) {
    Node node(url());
    node.runner_options.running_max = 4;
    node.runner_options.claim_batch_max = 4;
    for (int i = 0; i < 100; ++i) node.enqueue("away");
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.diary.count("away") >= 4; }));
    node.enqueue<Slow>("of another kind");
    ASSERT_TRUE(wait_until([&] { return node.diary.count("of another kind") == 1; }));
    node.diary.open.set();
    node.enqueue<Slow>("and another");
    ASSERT_TRUE(wait_until([&] { return node.diary.count("and another") == 1; }));
    EXPECT_LE(node.diary.count("away"), 12) << "what was claimed before it was known";
}

TEST_F(RunnerTest, FindsAgainWhatALostClaimTook) {
    Node node(url());
    node.run();
    node.enqueue("before");
    ASSERT_TRUE(wait_until([&] { return node.jobs().empty(); }));
    node.write(execute<refuse_claims>);
    node.enqueue("stray");
    ASSERT_TRUE(wait_until([&] {
        return node.registry.prometheus().find(
                   "loadstone_job_failures_total{job=\"loadstone.claim\",module=\"loadstone\"} "
                   "0\n") == std::string::npos;
    }));
    node.write(execute<claim_unseen>);
    node.write(execute<forget_ready>);
    node.write(execute<allow_claims>);
    EXPECT_TRUE(wait_until([&] { return node.diary.count("stray") == 1; }));
    EXPECT_TRUE(wait_until([&] { return node.jobs().empty(); }));
}

TEST_F(RunnerTest, RunsWhatAClaimTookThatWaitedLongerThanTheLease) {
    Node node(url());
    node.run();
    std::thread writer([&] { node.write(enqueue_slowly); });
    slow_write.wait(&SlowWrite::is_held);
    const auto end = std::chrono::steady_clock::now() + 2 * node.runner_options.dead_after;
    ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > end; }));
    slow_write.set(&SlowWrite::may_end);
    writer.join();
    EXPECT_TRUE(wait_until([&] { return node.diary.count("late") == 1; }));
    EXPECT_TRUE(wait_until([&] { return node.jobs().empty(); }));
}

// The claim waits for the writer until its lease is over, and commits before that is renewed.
TEST_F(RunnerTest, HandsBackWhatALateClaimTookWhenTheLeaseIsItsOwnAgain) {
    Node node(url());
    node.runner_options.dead_after = milliseconds(1'000);
    node.run();
    node.enqueue("before");
    ASSERT_TRUE(wait_until([&] { return node.jobs().empty(); }));
    node.write(execute<refuse_heartbeats>);
    std::thread writer([&] { node.write(enqueue_slowly); });
    slow_write.wait(&SlowWrite::is_held);
    node.queue->wake();
    const auto end = std::chrono::steady_clock::now() + 2 * node.runner_options.dead_after;
    ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > end; }));
    slow_write.set(&SlowWrite::may_end);
    writer.join();
    ASSERT_TRUE(wait_until([&] { return node.jobs("running").size() == 1; }));
    EXPECT_EQ(node.diary.count("late"), 0);
    node.write(execute<allow_heartbeats>);
    EXPECT_TRUE(wait_until([&] { return node.diary.count("late") == 1; }));
    EXPECT_TRUE(wait_until([&] { return node.jobs().empty(); }));
    EXPECT_NE(node.registry.prometheus().find("loadstone_jobs_handed_back_total 1\n"),
              std::string::npos);
}

TEST_F(RunnerTest, AnOutageLongerThanTheLeaseIsNoCrash) {
    Node node(url());
    node.run();
    node.enqueue("endless");
    ASSERT_TRUE(wait_until([&] { return node.diary.count("endless") == 1; }));
    node.write(execute<refuse_processes>);
    node.write(execute<refuse_outcomes>);
    node.write(execute<refuse_heartbeats>);
    const auto end = std::chrono::steady_clock::now() + 2 * node.runner_options.dead_after;
    ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > end; }));
    node.write(execute<allow_outcomes>);
    node.write(execute<allow_heartbeats>);
    node.write(execute<allow_processes>);
    ASSERT_TRUE(wait_until([&] { return node.diary.count("endless") == 2; })) << "it runs again";
    EXPECT_EQ(node.jobs().front().crashes, 0);
}

TEST_F(RunnerTest, TheIdempotencyKeyIsTheSameInEveryAttempt) {
    Node node(url());
    const auto id = node.enqueue("failing");
    const std::string key = node.jobs().front().idempotency_key;
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs("dead").size() == 1; }));
    EXPECT_EQ(node.jobs("dead").front().idempotency_key, key);
    EXPECT_TRUE(node.retry(id));
    ASSERT_TRUE(wait_until([&] { return node.diary.count("failing") == 4; }));
    const std::lock_guard lock(node.diary.mutex);
    EXPECT_EQ(node.diary.keys["failing"], key);
}

}  // namespace
}  // namespace loadstone::jobs
