// What once went wrong in the queue, each as what should hold: ends that count once, lines that are
// not forgotten, limits and keys that others hold up.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <map>
#include <thread>

#include "loadstone/admission/bulkhead.h"
#include "loadstone/jobs/publish.h"
#include "loadstone/jobs/workflow.h"
#include "tests/conformance/jobs_stage.h"

namespace races {

using loadstone::Context;
using loadstone::Job;
using loadstone::Task;
namespace jobs = loadstone::jobs;
using std::chrono::milliseconds;
using test_kinds::Bounded;
using test_kinds::Crowd;
using test_kinds::note;
using test_kinds::Single;
using test_kinds::stage;
using test_kinds::Tenant;
using test_kinds::wait_for_the_end;

struct Row {
    std::string account;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Row, (), (account, number))
Task<void> handle_row(Context& context, Job<Row> job) {
    note(context, job->account + std::to_string(job->number));
    if (stage->failures_left-- > 0) throw std::runtime_error("not yet");
    co_await wait_for_the_end(context);
}
struct Heard {
    std::string account;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Heard, (), (account, number))
Task<void> on_heard(Context& context, Job<Heard> job) {
    note(context, std::to_string(job->number));
    co_await wait_for_the_end(context);
}
struct Brief {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Brief, (), (text))
Task<void> handle_brief(Context& context, Job<Brief> job) {
    note(context, job->text);
    if (stage->failures_left-- > 0) throw std::runtime_error("broken");
    co_return;
}
Task<void> handle_bounded(Context& context, Job<Bounded> job) {
    note(context, "bounded " + std::to_string(job->number));
    co_await wait_for_the_end(context);
}
struct Piece {
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Piece, (), (name))
Task<void> handle_piece(Context& context, Job<Piece> job) {
    note(context, job->name);
    if (job->name == "garbled") {
        const std::string latin1("caf\xe9");
        job.give(latin1);
    } else if (job->name == "slow") {
        co_await wait_for_the_end(context);
    } else {
        job.give(1);
    }
}
struct Umlauts {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Umlauts, (), (text))
Task<void> handle_umlauts(Context& context, Job<Umlauts> job) {
    std::string text = "x";
    for (int i = 0; i < 300; ++i) text += "\xc3\xa4";
    job.progress(0.5, text);
    co_await wait_for_the_end(context);
}

struct Busy {
    std::string key;
};
BOOST_DESCRIBE_STRUCT(Busy, (), (key))
Task<void> handle_busy(Context&, Job<Busy>) { co_return; }

struct Slow {
    std::string host;
};
BOOST_DESCRIBE_STRUCT(Slow, (), (host))
Task<void> handle_slow(Context& context, Job<Slow> job) {
    note(context, job->host);
    co_return;
}

void declare(loadstone::Handlers& handlers) {
    handlers.handle(handle_slow).limit({.name = "slow", .per_second = 1, .burst = 1}, &Slow::host);
    handlers.handle(handle_busy).limit({.name = "busy", .running_max = 40}, &Busy::key);
    test_kinds::declare_keyed(handlers);
    handlers.handle(handle_row)
        .in_order(&Row::account)
        .attempts(2)
        .backoff(milliseconds(20), milliseconds(20));
    handlers.on(on_heard).in_order(&Heard::account);
    handlers.handle(handle_brief).attempts(1).expires_after(milliseconds(300));
    handlers.handle(handle_bounded).queue("bounded").bound(3);
    handlers.handle(handle_piece).attempts(1);
    handlers.handle(handle_umlauts);
}
void declare_recurring(loadstone::Handlers& handlers) {
    declare(handlers);
    handlers.recurring("a", "* * * * *", "UTC", Bounded{7});
    handlers.recurring("b", "* * * * *", "UTC", Brief{"recurring"});
}

}  // namespace races

namespace tests::conformance {
namespace {

using namespace races;

template <class T>
Task<std::int64_t> add_later(Tx& tx, T arguments, int ms) {
    jobs::EnqueueOptions options;
    options.delay = milliseconds(ms);
    co_return co_await jobs::enqueue(tx, arguments, options);
}
Task<bool> complete_in(Tx& tx, jobs::Lease lease) {
    co_await jobs::complete(tx, lease);
    co_return true;
}
Task<bool> save_step_in(Tx& tx, jobs::Lease lease) {
    co_await jobs::save_step(tx, lease, "late", 1);
    co_return true;
}
Task<bool> pause_in(Tx& tx, std::string queue, bool is_paused) {
    co_await jobs::pause_queue(tx, queue, is_paused);
    co_return true;
}
Task<bool> publish_in(Tx& tx, int number) {
    const Heard event{"x", number};
    co_await jobs::publish(tx, event);
    co_return true;
}

class JobRaces : public StagedJobs {
protected:
    JobRaces() : StagedJobs(races::declare) {}
};

INSTANTIATE_TEST_SUITE_P(Databases, JobRaces, testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// Where transactions run side by side.
class JobRacesPostgres : public JobRaces {};
INSTANTIATE_TEST_SUITE_P(Databases, JobRacesPostgres, testing::Values(Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// complete(), then an exception; the batch goes on; its process dies.
TEST_P(JobRaces, AJobThatCompletedItselfAndFailedEndsOnce) {
    auto one = node();
    const auto book = std::make_shared<const jobs::internal::LimitBook>(one->queue->limits());
    const std::string kinds = R"(["test_kinds.Crowd"])";
    const std::vector<jobs::internal::LaneClaim> lanes{{"test", "|crowd:a", 0, 0, kinds, 10, 20}};
    for (int i = 0; i < 3; ++i) one->write(add<Crowd>, Crowd{"a", std::to_string(i)});
    const auto dying = one->write(jobs::internal::register_process, std::string("dying"));
    const auto other = one->write(jobs::internal::register_process, std::string("other"));
    const auto claimed =
        one->write(jobs::internal::claim, dying, lanes_of(lanes), std::int64_t{20}, book, no_loans);
    ASSERT_EQ(claimed.batches.at(0).jobs.size(), 2U);
    jobs::internal::Finished run;
    jobs::internal::ExtraReader extras;
    run.job = jobs::internal::held_job(claimed.batches[0].jobs[0], extras);
    run.lease = {run.job->stored.id, dying, claimed.batches[0].id()};
    one->write(complete_in, run.lease);
    run.decision = {jobs::Verdict::retry, milliseconds(1)};
    run.error = "internal: after all was done";
    one->write(jobs::internal::record, dying, only(run));
    EXPECT_EQ(one->read(places_taken), 1);
    const auto more =
        one->write(jobs::internal::claim, other, lanes_of(lanes), std::int64_t{20}, book, no_loans);
    ASSERT_EQ(more.batches.size(), 1U);
    EXPECT_EQ(one->read(places_taken), 2);
    one->write(remove_process_in, dying);
    one->write(jobs::internal::rescue, std::int64_t{3'600'000'000}, 3);
    EXPECT_EQ(one->read(places_taken), 1) << "the other process's job still runs";
}

TEST_P(JobRaces, AnOrderedDeadLetterThatIsPutBackIsStillInOrder) {
    auto one = node();
    stage_.failures_left = 2;
    const auto dead = one->write(add<Row>, Row{"x", 0});
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("dead").size() == 1; }));
    stage_.may_end = false;
    one->write(add<Row>, Row{"x", 1});
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    EXPECT_TRUE(one->write(jobs::retry_job, dead));
    pause(1'000);
    EXPECT_EQ(stage_.running_max, 1) << "two of one account run at once";
}

TEST_P(JobRaces, AnEventsHandlerRunsInOrder) {
    auto one = node();
    stage_.may_end = false;
    one->write(publish_in, 1);
    one->write(publish_in, 2);
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running > 0; }));
    pause(500);
    EXPECT_EQ(stage_.running_max, 1) << "two of one account run at once";
}

// A queue of its own in a module whose bulkhead is smaller than the process.
TEST_P(JobRaces, AQueueOfItsOwnIsInItsModulesBulkhead) {
    auto one = node();
    loadstone::admission::BulkheadOptions bulk;
    bulk.name = "test.jobs";
    bulk.concurrency_max = 2;
    bulk.queue_max = 0;
    loadstone::admission::Bulkhead bulkhead(bulk, one->registry);
    stage_.may_end = false;
    for (int i = 0; i < 4; ++i) one->write(add<Bounded>, Bounded{i});
    one->runner = std::make_unique<jobs::Runner>(one->runner_options, *one->queue,
                                                 jobs::JobBulkheads{{"test", &bulkhead}},
                                                 one->loops, one->services, one->registry);
    one->runner->start();
    ASSERT_TRUE(wait_until([&] { return stage_.running > 0; }));
    pause(300);
    EXPECT_LE(stage_.running_max, 2);
    stage_.may_end = true;
    EXPECT_TRUE(is_done(*one));
    one->runner->stop(Deadline::in(milliseconds(5'000)));
    one->runner.reset();
}

TEST_P(JobRaces, AQueueThatWasPausedGoesOnWithAllItsPartitions) {
    auto one = node();
    std::vector<Tenant> all;
    for (int i = 0; i < 20; ++i) {
        all.push_back({"a", 100});
        all.push_back({"b", 100});
    }
    one->runner_options.running_max = 1;
    one->write(add_all<Tenant>, all);
    one->run();
    ASSERT_TRUE(wait_until([&] { return diary_.all().size() >= 3; }));
    one->write(pause_in, std::string("test"), true);
    pause(1'500);
    const auto before = diary_.all().size();
    ASSERT_LT(before, all.size());
    one->write(pause_in, std::string("test"), false);
    EXPECT_TRUE(wait_until([&] { return diary_.all().size() > before; }, std::chrono::seconds(5)))
        << "nothing runs before the sweep";
}

TEST_P(JobRaces, AJobOfATenantThatIsDelayedStartsOnTime) {
    auto one = node();
    one->runner_options.poll_every = milliseconds(5'000);
    one->run();
    pause(300);
    one->write(add_later<Tenant>, Tenant{"a", 0}, 700);
    EXPECT_TRUE(wait_until([&] { return count("a") == 1; }, std::chrono::seconds(2)));
}

TEST_P(JobRaces, ADeadLetterOfAKindThatExpiresCanBePutBack) {
    auto one = node();
    stage_.failures_left = 1;
    const auto dead = one->write(add<Brief>, Brief{"b"});
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->jobs_of("dead").size() == 1; }));
    pause(400);
    EXPECT_TRUE(one->write(jobs::retry_job, dead));
    EXPECT_TRUE(is_done(*one));
    EXPECT_EQ(count("b"), 2) << "the operator's retry deleted it";
}

TEST_P(JobRaces, AScheduleThatIsRefusedHoldsUpNoOther) {
    auto one = node(races::declare_recurring);
    one->write(pause_in, std::string("bounded"), true);
    for (int i = 0; i < 10; ++i) {
        try {
            one->write(add<Bounded>, Bounded{i});
        } catch (const loadstone::Error&) {
        }
        pause(150);
    }
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->write(schedules_lag); }));
    EXPECT_TRUE(wait_until([&] { return count("recurring") >= 1; }, std::chrono::seconds(4)));
}

TEST_P(JobRaces, ALongNoteOfProgressIsShown) {
    auto one = node();
    stage_.may_end = false;
    const auto id = one->write(add<Umlauts>, Umlauts{"u"});
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    EXPECT_TRUE(wait_until([&] { return one->progress(id).has_value(); }, std::chrono::seconds(3)));
}

Task<std::int64_t> enqueue_garbled(Tx& tx) {
    jobs::Workflow workflow;
    const auto a = workflow.add("a", Piece{"garbled"});
    workflow.add("b", Piece{"next"}, {a});
    const auto ids = co_await jobs::enqueue(tx, workflow);
    co_return ids.back();
}
TEST_P(JobRaces, AResultThatTheDatabaseRefusesStopsNoOtherJob) {
    auto one = node();
    one->write(enqueue_garbled);
    one->run();
    ASSERT_TRUE(wait_until([&] { return count("garbled") >= 1; }));
    one->enqueue("innocent");
    EXPECT_TRUE(
        wait_until([&] { return one->jobs_of("running").empty() && count("innocent") == 1; },
                   std::chrono::seconds(5)))
        << "no outcome of this process can be recorded any more";
}

Task<std::int64_t> enqueue_half(Tx& tx) {
    jobs::Workflow workflow;
    const auto a = workflow.add("a", Piece{"quick"});
    const auto slow = workflow.add("s", Piece{"slow"});
    workflow.add("c", Piece{"last"}, {a, slow});
    const auto ids = co_await jobs::enqueue(tx, workflow);
    co_return ids.back();
}
TEST_P(JobRaces, ABlockedJobThatIsCancelledLeavesNoResults) {
    auto one = node();
    stage_.may_end = false;
    const auto last = one->write(enqueue_half);
    one->run();
    ASSERT_TRUE(wait_until([&] { return one->read(results_left) == 1; }));
    EXPECT_TRUE(one->write(jobs::cancel_job, last).was_dropped);
    stage_.may_end = true;
    ASSERT_TRUE(is_done(*one));
    EXPECT_EQ(one->read(results_left), 0);
}

// The job has been cancelled and has ended without its handler; its batch goes on.
TEST_P(JobRaces, AJobThatHasEndedSavesNoSteps) {
    auto one = node();
    const std::string kinds = R"(["test_kinds.Tenant"])";
    const std::vector<jobs::internal::LaneClaim> lanes{{"test", "a", 0, 0, kinds, 10, 20}};
    for (int i = 0; i < 2; ++i) one->write(add<Tenant>, Tenant{"a", 0});
    const auto process = one->write(jobs::internal::register_process, std::string("p"));
    const auto claimed = one->write(jobs::internal::claim, process, lanes_of(lanes),
                                    std::int64_t{20}, no_limits, no_loans);
    ASSERT_EQ(claimed.batches.at(0).jobs.size(), 2U);
    jobs::internal::Finished run;
    jobs::internal::ExtraReader extras;
    run.job = jobs::internal::held_job(claimed.batches[0].jobs[0], extras);
    run.lease = {run.job->stored.id, process, claimed.batches[0].id()};
    run.is_dropped = run.was_noted = true;
    one->write(jobs::internal::record, process, only(run));
    EXPECT_ANY_THROW(one->write(save_step_in, run.lease)) << "complete() is refused, this is not";
}

Task<bool> merge_and_dawdle(Tx& tx) {
    const Single merged{"k", "merged"};
    co_await tx.enqueue(merged);
    const auto later = loadstone::Deadline::in(milliseconds(3'000));
    co_await loadstone::runtime::sleep_until(later);
    co_return true;
}
TEST_P(JobRacesPostgres, ATransactionThatMergesAUniqueJobHoldsUpNoRecording) {
    auto one = node();
    stage_.may_end = false;
    one->write(add<Single>, Single{"k", "first"});
    one->run();
    ASSERT_TRUE(wait_until([&] { return stage_.running == 1; }));
    auto two = node();
    std::thread slow([&] { two->write(merge_and_dawdle); });
    pause(500);
    stage_.may_end = true;
    pause(100);
    one->enqueue("innocent");
    EXPECT_TRUE(
        wait_until([&] { return count("innocent") == 1 && one->jobs_of("running").size() <= 1; },
                   std::chrono::seconds(2)))
        << "nothing of this process is recorded until that transaction ends";
    slow.join();
}

// Each has a job; more than a look reads at once.
TEST_P(JobRaces, ManyPartitionsDoNotWaitForSweeps) {
    auto one = node();
    constexpr int partitions = 25'000;
    for (int from = 0; from < partitions; from += 5'000) {
        std::vector<Tenant> all;
        for (int i = 0; i < 5'000; ++i) all.push_back({"t" + std::to_string(from + i), 0});
        one->write(add_all<Tenant>, all);
    }
    const auto began = std::chrono::steady_clock::now();
    one->run();
    std::size_t last = 0;
    int idle = 0, idle_longest = 0;
    while (last < partitions &&
           std::chrono::steady_clock::now() - began < std::chrono::seconds(100)) {
        pause(500);
        const auto now = diary_.all().size();
        idle = now == last ? idle + 1 : 0;
        idle_longest = std::max(idle_longest, idle);
        last = now;
    }
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(last, static_cast<std::size_t>(partitions));
    EXPECT_LT(idle_longest, 10) << "half seconds in which nothing ran; all took "
                                << std::chrono::duration_cast<std::chrono::seconds>(took).count()
                                << " s";
}

// Three processes and four keys: no transaction of the library's own ends in a deadlock.
TEST_P(JobRacesPostgres, ClaimsAndRecordsDoNotDeadlock) {
    std::vector<std::unique_ptr<Node>> nodes;
    for (int i = 0; i < 6; ++i) nodes.push_back(node());
    for (int from = 0; from < 20'000; from += 5'000) {
        std::vector<Busy> all;
        for (int i = 0; i < 5'000; ++i)
            all.push_back({std::string(1, static_cast<char>('a' + i % 6))});
        nodes[0]->write(add_all<Busy>, all);
    }
    for (auto& each : nodes) each->run();
    ASSERT_TRUE(is_done(*nodes[0], std::chrono::seconds(100)));
    for (auto& each : nodes) {
        const std::string text = each->registry.prometheus();
        const auto at =
            text.find("loadstone_postgres_transaction_retries_total{reason=\"conflict\"}");
        ASSERT_NE(at, std::string::npos);
        const auto line = text.substr(at, text.find('\n', at) - at);
        EXPECT_EQ(line.substr(line.rfind(' ') + 1), "0") << line;
    }
}

// All places are taken but the one kept for the other queue, and a throttled lane's time has come.
TEST_P(JobRaces, ALimitWhoseTimeHasComeDoesNotSpin) {
    auto one = node();
    one->runner_options.running_max = 4;
    stage_.may_end = false;
    one->run();
    one->write(add_all<Slow>, std::vector<Slow>(5, Slow{"s"}));
    ASSERT_TRUE(wait_until([&] { return count("s") == 1; }));
    for (int i = 0; i < 4; ++i) one->write(add<Single>, Single{std::to_string(i), "fills"});
    ASSERT_TRUE(wait_until([&] { return stage_.running == 3; }));
    // The handlers sleep 2 ms at a time, before and after: it is counted what each sleep of theirs
    // costs, for a machine that is busy lets them sleep less often.
    const auto switches_per_wait = [this] {
        const auto waits = stage_.waits.load();
        rusage begin{}, end{};
        ::getrusage(RUSAGE_SELF, &begin);
        EXPECT_TRUE(wait_until([&] { return stage_.waits >= waits + 400; }));
        ::getrusage(RUSAGE_SELF, &end);
        return static_cast<double>(end.ru_nvcsw - begin.ru_nvcsw) /
               static_cast<double>(stage_.waits - waits);
    };
    const double before = switches_per_wait();
    pause(1'500);
    EXPECT_LT(switches_per_wait(), before * 1.5);
}

}  // namespace
}  // namespace tests::conformance
