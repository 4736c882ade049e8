// What an operator does to the queue, and what a schema change does to what stands in it.

#include <gtest/gtest.h>

#include "tests/conformance/jobs_node.h"

namespace tests::conformance {
namespace {

class JobAdmin : public JobQueue {};

INSTANTIATE_TEST_SUITE_P(Databases, JobAdmin, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

Task<bool> pause_it(Tx& tx, bool is_paused) {
    const std::string queue = "test";
    co_await jobs::pause_queue(tx, queue, is_paused);
    co_return true;
}

Task<std::int64_t> enqueue_later(Tx& tx, std::int64_t delay_ms) {
    const jobs::EnqueueOptions options{.delay = milliseconds(delay_ms)};
    const Note note{"later"};
    co_return co_await jobs::enqueue(tx, note, options);
}

jobs::QueueStats stats_of(Node& node) {
    const auto all = node.read(jobs::queue_stats);
    return all.empty() ? jobs::QueueStats{} : all.front();
}

TEST_P(JobAdmin, APausedQueueBeginsNothingUntilItGoesOn) {
    Node node(database_.url(), diary_);
    node.write(pause_it, true);
    node.run();
    const auto id = node.enqueue("held");
    EXPECT_EQ(node.why(id), "its queue, test, is paused");
    EXPECT_TRUE(stats_of(node).is_paused);
    node.write(pause_it, false);
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"held"}));

    node.write(pause_it, true);
    const auto after = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > after; }));
    node.enqueue("held again");
    const auto still = std::chrono::steady_clock::now() + milliseconds(600);
    ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > still; }));
    EXPECT_EQ(diary_.all().size(), 1U) << "a second after it was paused, nothing is begun";
}

template <const loadstone::store::Command& Statement>
Task<bool> execute(Tx& tx) {
    co_await tx.exec(Statement);
    co_return true;
}
constexpr std::string_view hide_text = "alter table loadstone_limit_settings rename to hidden";
constexpr loadstone::store::Command hide_settings{
    .name = "test.hide_settings", .sqlite = hide_text, .postgres = hide_text};
constexpr std::string_view show_text = "alter table hidden rename to loadstone_limit_settings";
constexpr loadstone::store::Command show_settings{
    .name = "test.show_settings", .sqlite = show_text, .postgres = show_text};

double failures_of_claims(Node& node) {
    const std::string line =
        "loadstone_job_failures_total{job=\"loadstone.claim\",module=\"loadstone\"} ";
    const std::string all = node.registry.prometheus();
    const auto at = all.find(line);
    return at == std::string::npos ? 0 : std::stod(all.substr(at + line.size()));
}

TEST_P(JobAdmin, WhatIsSetAndCannotBeReadIsSaidOnceAndHoldsUpNothing) {
    Node node(database_.url(), diary_);
    node.write(execute<hide_settings>);
    ::testing::internal::CaptureStderr();
    node.run();
    EXPECT_TRUE(wait_until([&] { return failures_of_claims(node) >= 3; }));
    node.enqueue("runs");
    EXPECT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    const std::string log = ::testing::internal::GetCapturedStderr();
    const std::string line = "pauses, limits and cancellations could not be looked at";
    const auto at = log.find(line);
    ASSERT_NE(at, std::string::npos) << log;
    EXPECT_EQ(log.find(line, at + 1), std::string::npos) << log;
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"runs"}));
    node.write(execute<show_settings>);
}

TEST_P(JobAdmin, ADelayedJobRunsWhenItIsDueAndNotBefore) {
    Node node(database_.url(), diary_);
    const auto id = node.write(enqueue_later, std::int64_t{3'600'000});
    EXPECT_EQ(stats_of(node).scheduled, 1);
    EXPECT_TRUE(node.why(id).starts_with("it is scheduled for 20")) << node.why(id);
    node.run();
    node.enqueue("now");
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 1; }));
    EXPECT_TRUE(node.write(jobs::retry_job, id)) << "made due";
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 2; }));
    node.write(enqueue_later, std::int64_t{50});
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() == 3; }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"now", "later", "later"}));
}

TEST_P(JobAdmin, CancelsWhatWaitsAndNothingElse) {
    Node node(database_.url(), diary_);
    const auto ready = node.enqueue("ready");
    const auto scheduled = node.write(enqueue_later, std::int64_t{3'600'000});
    EXPECT_TRUE(node.write(jobs::cancel_job, ready).was_dropped);
    EXPECT_TRUE(node.write(jobs::cancel_job, scheduled).was_dropped);
    EXPECT_FALSE(node.write(jobs::cancel_job, ready).was_dropped);
    EXPECT_TRUE(node.jobs_of("").empty());
    EXPECT_EQ(node.why(ready), "there is no such job: it was never enqueued, or it is done");
    node.run();
    node.enqueue("another");
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    EXPECT_EQ(diary_.all(), (std::vector<std::string>{"another"}));
}

constexpr std::string_view declare_text =
    "insert into loadstone_kinds (name, declaration, declared_at) values "
    "('conformance_jobs.Note', '{}', 0), ('conformance_jobs.Urgent', '{}', 0)";
constexpr loadstone::store::Command declare_note{
    .name = "test.declare_note", .sqlite = declare_text, .postgres = declare_text};

constexpr std::string_view put_back_text =
    "insert into loadstone_ready (job, queue, partition_key, priority, kind, arguments, cause, "
    "enqueued_at, run_at) values (5000, 'test', '', 0, 'conformance_jobs.Note', '{}', '', 0, 0), "
    "(5001, 'test', 'acme', 0, 'conformance_jobs.Note', '{}', '', 0, 0), "
    "(null, 'other', 'acme', 3, 'conformance_jobs.Note', '{}', 'keyed', 0, 0), "
    "(null, 'other', '', 3, 'conformance_jobs.Note', '{}', 'plain', 0, 0), "
    "(null, 'zoo', '', 3, 'conformance_jobs.Note', '{}', 'plain', 0, 0)";
constexpr loadstone::store::Command put_back{
    .name = "test.put_back", .sqlite = put_back_text, .postgres = put_back_text};

TEST_P(JobAdmin, FindsAJobByItsIdWhereverItStands) {
    Node node(database_.url(), diary_);
    std::vector<std::int64_t> ids{node.enqueue("ready"), node.enqueue_urgent("urgent"),
                                  node.write(enqueue_later, std::int64_t{3'600'000})};
    node.write(execute<put_back>);
    ids.push_back(5'000);
    ids.push_back(5'001);
    for (const jobs::JobRow& job : node.jobs_of("")) {
        if (job.queue != "test") ids.push_back(job.id);
    }
    ASSERT_EQ(ids.size(), 8U);
    std::vector<std::int64_t> asked = ids;
    asked.push_back(9'999);
    const auto found = node.jobs_by_id(asked);
    ASSERT_EQ(found.size(), ids.size());
    for (const std::int64_t id : ids) EXPECT_EQ(found.at(id).state, "waiting");
    EXPECT_EQ(found.at(5'001).partition_key, "acme");
    // Where they stand is no id of theirs.
    for (const std::int64_t id : ids) EXPECT_EQ(node.jobs_by_id({id}).size(), 1U) << id;
    for (const std::int64_t id : ids) EXPECT_TRUE(node.write(jobs::cancel_job, id).was_dropped);
    EXPECT_TRUE(node.jobs_of("").empty());
}

Task<bool> ask_cancel(Tx& tx, std::int64_t job, std::int64_t asked_at) {
    static constexpr std::string_view text =
        "insert into loadstone_cancels (job, asked_at) values ($1, $2)";
    static constexpr loadstone::store::Command statement{
        .name = "test.ask_cancel", .sqlite = text, .postgres = text, .parameters = 2};
    co_await tx.exec(statement, job, asked_at);
    co_return true;
}

Task<std::int64_t> cancels_left(Reader reader) {
    static constexpr std::string_view text = "select count(*) from loadstone_cancels";
    static constexpr loadstone::store::Query query{
        .name = "test.cancels_left", .sqlite = text, .postgres = text};
    co_return co_await reader.one<std::int64_t>(query);
}

// Its run had failed, or was snoozed, before its process looked at what is asked for.
TEST_P(JobAdmin, AJobThatWaitsAgainWhenItsCancellationIsSeenIsDropped) {
    Node node(database_.url(), diary_);
    const auto later = node.write(enqueue_later, std::int64_t{3'600'000});
    node.write(pause_it, true);
    const auto ready = node.enqueue("ready");
    const auto long_ago = std::int64_t{1};
    node.write(ask_cancel, later, long_ago);
    node.write(ask_cancel, ready, long_ago);
    node.write(ask_cancel, std::int64_t{9'999}, long_ago);
    EXPECT_TRUE(node.write(jobs::prune, jobs::Retention{}));
    EXPECT_EQ(node.read(cancels_left), 2) << "of those that there are";
    node.run();
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("").empty(); }));
    EXPECT_TRUE(diary_.all().empty());
    EXPECT_EQ(node.read(cancels_left), 0);
    ASSERT_TRUE(wait_until([&] {
        return node.registry.prometheus().find("loadstone_jobs_cancelled_total 2\n") !=
               std::string::npos;
    }));
}

Task<bool> add_idle_limits(Tx& tx) {
    static constexpr loadstone::store::Command names{
        .name = "test.idle_names",
        .sqlite =
            "insert into loadstone_limits (name) with recursive n (i) as (values (1) union all "
            "select i + 1 from n where i < 1500) select 'mail:' || i from n",
        .postgres =
            "insert into loadstone_limits (name) select 'mail:' || i from generate_series(1, "
            "1500) as n (i)"};
    static constexpr std::string_view states_text =
        "insert into loadstone_limit_states (name, version, arrival_at, running) "
        "select name, 1, 0, 0 from loadstone_limits";
    static constexpr loadstone::store::Command states{
        .name = "test.idle_states", .sqlite = states_text, .postgres = states_text};
    co_await tx.exec(names);
    co_await tx.exec(states);
    co_return true;
}

TEST_P(JobAdmin, PruningSaysThatMoreKeysOfLimitsAreIdle) {
    Node node(database_.url(), diary_);
    node.write(add_idle_limits);
    EXPECT_FALSE(node.write(jobs::prune, jobs::Retention{}));
    EXPECT_TRUE(node.write(jobs::prune, jobs::Retention{}));
}

Task<bool> pause_named(Tx& tx, std::string queue) {
    co_await jobs::pause_queue(tx, queue, true);
    co_return true;
}

TEST_P(JobAdmin, AQueueThatNobodyKnowsIsNotPaused) {
    Node node(database_.url(), diary_);
    try {
        node.write(pause_named, std::string("tset"));
        FAIL() << "it was";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::not_found);
        EXPECT_EQ(error.message(), "there is no queue \"tset\": there are test");
    }
    node.write(execute<put_back>);
    EXPECT_TRUE(node.write(pause_named, std::string("zoo"))) << "a job of another program waits";
}

TEST_P(JobAdmin, SaysWhyAJobIsNotRetried) {
    Node node(database_.url(), diary_);
    const auto process = node.write(jobs::internal::register_process, std::string("somebody"));
    const auto id = node.enqueue("runs");
    const std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "", 0, 0, R"(["conformance_jobs.Note"])", 1, 1}};
    node.write(jobs::internal::claim, process, lanes_of(lanes), std::int64_t{1}, no_limits,
               no_loans);
    EXPECT_FALSE(node.write(jobs::retry_job, id));
    EXPECT_TRUE(node.why_not_retried(id).starts_with("it runs, in process somebody"));
}

TEST_P(JobAdmin, SaysWhyAReadyJobDoesNotRun) {
    Node node(database_.url(), diary_);
    const auto first = node.enqueue("first");
    EXPECT_EQ(node.why(first), "no process runs jobs now");
    const auto process = node.write(jobs::internal::register_process, std::string("somebody"));
    EXPECT_EQ(node.why(first),
              "it is the next of queue test, and waits for a program that knows its kind, "
              "conformance_jobs.Note");
    node.write(execute<declare_note>);
    EXPECT_EQ(node.why(first),
              "it is the next of queue test, and begins when a server has a place for it: 0 jobs "
              "run in 1 processes, 0 of them of this queue");
    const auto second = node.enqueue("second");
    const auto urgent = node.enqueue_urgent("urgent");
    EXPECT_EQ(node.why(second),
              "2 ready jobs of queue test go first, 1 of them of higher priority");
    EXPECT_TRUE(node.why(urgent).starts_with("it is the next"));
    const std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "", 5, 0, R"(["conformance_jobs.Urgent"])", 1, 1}};
    node.write(jobs::internal::claim, process, lanes_of(lanes), std::int64_t{1}, no_limits,
               no_loans);
    EXPECT_TRUE(node.why(urgent).starts_with("it runs, in process somebody")) << node.why(urgent);
    const jobs::QueueStats stats = stats_of(node);
    EXPECT_EQ(stats.name, "test");
    EXPECT_EQ(stats.ready, 2);
    EXPECT_EQ(stats.running, 1);
}

TEST_P(JobAdmin, DeadLettersArePutBackByFilterInBatches) {
    Node node(database_.url(), diary_);
    node.run();
    for (int i = 0; i < 5; ++i) node.enqueue("garbled");
    node.enqueue("long");
    ASSERT_TRUE(wait_until([&] { return node.jobs_of("dead").size() == 6; }));
    EXPECT_EQ(stats_of(node).dead, 6);
    EXPECT_TRUE(node.why(node.jobs_of("dead").front().id)
                    .starts_with("it is a dead letter after 1 attempts: internal: "));
    node.runner->stop(Deadline::in(milliseconds(5'000)));
    node.runner.reset();

    const jobs::DeadFilter bytes{"conformance_jobs.Note", "test", "bytes"};
    auto redriven = node.write(jobs::redrive, bytes, std::int64_t{0}, std::int64_t{3});
    EXPECT_EQ(redriven.jobs, 3);
    redriven = node.write(jobs::redrive, bytes, redriven.last, std::int64_t{3});
    EXPECT_EQ(redriven.jobs, 2);
    EXPECT_EQ(node.jobs_of("dead").size(), 1U);
    const auto waiting = node.jobs_of("waiting");
    ASSERT_EQ(waiting.size(), 5U);
    EXPECT_EQ(waiting.front().attempt, 0);
    const jobs::DeadFilter others{"other.Kind", "", ""};
    EXPECT_EQ(node.write(jobs::redrive, others, std::int64_t{0}, std::int64_t{3}).jobs, 0);
}

// ---- from the schema before ----

constexpr loadstone::store::Command old_waiting{
    .name = "test.old_waiting",
    .sqlite =
        "insert into loadstone_jobs (kind, arguments, idempotency_key, cause, priority, "
        "enqueued_at, run_at, attempt) values (?1, '{\"text\":\"old\"}', 'key', 'test', 5, 1, ?2, "
        "2)",
    .postgres =
        "insert into loadstone_jobs (kind, arguments, idempotency_key, cause, priority, "
        "enqueued_at, run_at, attempt) values ($1, '{\"text\":\"old\"}', 'key', 'test', 5, 1, $2, "
        "2)",
    .parameters = 2};
constexpr loadstone::store::Command old_running{
    .name = "test.old_running",
    .sqlite = "update loadstone_jobs set process = 7, attempt = attempt + 1 where id = 1",
    .postgres = "update loadstone_jobs set process = 7, attempt = attempt + 1 where id = 1"};

Task<bool> fill_old(Tx& tx) {
    const std::string kind = "test.Kind";
    const std::int64_t past = 1;
    const std::int64_t future = 4'000'000'000'000'000;
    co_await tx.exec(old_waiting, kind, past);
    co_await tx.exec(old_waiting, kind, past);
    co_await tx.exec(old_waiting, kind, future);
    co_await tx.exec(old_running);
    co_return true;
}

Task<void> fill_on_loop(const runtime::Services& services, bool* done) {
    Context context(services, Deadline::in(milliseconds(10'000)));
    context.span().start(0, "test");
    *done = co_await context.write(fill_old);
}

TEST_P(JobAdmin, JobsOfTheSchemaBeforeAreKept) {
    const auto options = test_options(database_.url());
    Node::migrate(options, std::span(jobs::sql::migrations).first(1));
    {
        loadstone::telemetry::Registry registry;
        runtime::Loops loops{{.threads = 1, .blocked_after = milliseconds(1'000)}, registry};
        runtime::Services services;
        const auto database = loadstone::store::open_database(options, registry);
        services.add<loadstone::store::Database>(*database);
        loops.start();
        database->start(loops);
        bool done = false;
        runtime::TaskScope scope("test");
        scope.spawn(loops.executor(0), fill_on_loop(services, &done));
        EXPECT_TRUE(scope.join_blocking(Deadline::in(milliseconds(20'000))));
        ASSERT_TRUE(done);
        database->stop();
        loops.stop();
    }
    Node node(database_.url(), diary_);
    const auto all = node.jobs_of("waiting");
    ASSERT_EQ(all.size(), 3U);
    for (const auto& job : all) {
        EXPECT_EQ(job.queue, "test");
        EXPECT_EQ(job.idempotency_key, "key");
        EXPECT_EQ(job.attempt, 2) << "an attempt under way is taken back";
    }
    EXPECT_EQ(stats_of(node).ready, 2);
    EXPECT_EQ(stats_of(node).scheduled, 1);
    EXPECT_GT(node.enqueue("new"), 3) << "ids go on";
}

}  // namespace
}  // namespace tests::conformance
