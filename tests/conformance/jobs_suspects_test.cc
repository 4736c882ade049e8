// Jobs that may have killed their processes: whose death is blamed on them, and that they run
// alone.

#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "tests/conformance/jobs_node.h"

namespace suspects {

struct Watched {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Watched, (), (text))

// What ran beside what; of one test at a time.
struct Stage {
    std::mutex mutex;
    int running = 0, suspects = 0;
    bool was_beside = false;
    std::atomic<bool> may_end{false};  // the suspects
};
Stage stage;

class Presence {
public:
    explicit Presence(bool is_suspect) : is_suspect_(is_suspect) {
        const std::lock_guard lock(stage.mutex);
        if (stage.suspects > 0 || (is_suspect && stage.running > 0)) stage.was_beside = true;
        ++stage.running;
        if (is_suspect) ++stage.suspects;
    }
    ~Presence() {
        const std::lock_guard lock(stage.mutex);
        --stage.running;
        if (is_suspect_) --stage.suspects;
    }
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;

private:
    bool is_suspect_;
};

loadstone::Task<void> handle_watched(loadstone::Context& context, loadstone::Job<Watched> job) {
    const bool is_suspect = job->text == "suspect";
    const Presence present(is_suspect);
    context.services().get<conformance_jobs::Diary>().ran(job->text);
    do {
        const loadstone::Deadline soon = loadstone::Deadline::in(std::chrono::milliseconds(2));
        co_await loadstone::runtime::sleep_until(soon);
    } while (is_suspect && !stage.may_end && !context.is_cancelled());
}

void declare(loadstone::Handlers& handlers) { handlers.handle(handle_watched); }

}  // namespace suspects

namespace tests::conformance {
namespace {

using suspects::Watched;

class JobSuspects : public JobQueue {};

INSTANTIATE_TEST_SUITE_P(Databases, JobSuspects,
                         testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

// How many, suspects too.
std::size_t claim(Node& node, std::int64_t process) {
    const std::string kinds = R"(["conformance_jobs.Note"])";
    const std::vector<jobs::internal::LaneClaim> lanes{
        {"test", "", 0, 0, kinds, 10, 10},
        {"test", "|loadstone.suspect:test", 0, 0, kinds, 10, 10}};
    const auto limits = std::make_shared<const jobs::internal::LimitBook>(node.queue->limits());
    const auto claimed = node.write(jobs::internal::claim, process, lanes_of(lanes),
                                    std::int64_t{10}, limits, no_loans);
    std::size_t count = 0;
    for (const auto& batch : claimed.batches) count += batch.jobs.size();
    return count;
}

// As a second death of its process leaves a job.
Task<bool> make_suspect(Tx& tx, std::int64_t job) {
    static constexpr loadstone::store::Command statement{
        .name = "test.make_suspect",
        .sqlite =
            "update loadstone_ready set crashes = 2, partition_key = '|loadstone.suspect:test' "
            "where seq = $1",
        .postgres =
            "update loadstone_ready set crashes = 2, partition_key = '|loadstone.suspect:test' "
            "where seq = $1",
        .parameters = 1};
    co_await tx.exec(statement, job);
    co_return true;
}

Task<bool> enqueue_suspect(Tx& tx) {
    const Watched watched{"suspect"};
    const auto id = co_await jobs::enqueue(tx, watched);
    co_return co_await make_suspect(tx, id);
}

std::map<std::int64_t, int> crashes_of(const std::vector<jobs::JobRow>& rows) {
    std::map<std::int64_t, int> crashes;
    for (const jobs::JobRow& row : rows) crashes[row.id] = row.crashes;
    return crashes;
}

// Processes that are found dead together are judged each by itself.
TEST_P(JobSuspects, ADeathIsBlamedOnWhatItsProcessRan) {
    Node node(database_.url(), diary_);
    const auto alone = node.enqueue("a suspect");
    node.write(make_suspect, alone);
    const auto one = node.write(jobs::internal::register_process, std::string("one"));
    ASSERT_EQ(claim(node, one), 1U);
    const auto fresh = node.enqueue("fresh");
    const auto other = node.write(jobs::internal::register_process, std::string("other"));
    ASSERT_EQ(claim(node, other), 1U);
    std::uint64_t rescued = 0, buried = 0;
    ASSERT_TRUE(wait_until([&] {
        const auto taken = node.write(jobs::internal::rescue, std::int64_t{1'000}, 3);
        rescued += taken.rescued;
        buried += taken.buried;
        return rescued + buried == 2;
    }));
    EXPECT_EQ(crashes_of(node.jobs_of("dead")), (std::map<std::int64_t, int>{{alone, 3}}));
    EXPECT_EQ(crashes_of(node.jobs_of("waiting")), (std::map<std::int64_t, int>{{fresh, 1}}));
    EXPECT_EQ(node.jobs_of("dead")[0].partition_key, "") << "redriven it is no suspect";
}

// A claim whose answer was lost: it runs alone, so what died had not begun it.
TEST_P(JobSuspects, ASuspectIsNotBlamedForWhatItsProcessRanBeside) {
    Node node(database_.url(), diary_);
    const auto suspect = node.enqueue("a suspect");
    node.write(make_suspect, suspect);
    const auto process = node.write(jobs::internal::register_process, std::string("one"));
    ASSERT_EQ(claim(node, process), 1U);
    const auto beside = node.enqueue("beside it");
    ASSERT_EQ(claim(node, process), 1U);
    ASSERT_TRUE(wait_until(
        [&] { return node.write(jobs::internal::rescue, std::int64_t{1'000}, 3).rescued == 2; }));
    EXPECT_EQ(crashes_of(node.jobs_of("waiting")),
              (std::map<std::int64_t, int>{{suspect, 2}, {beside, 1}}));
}

// Workers leave them to a sandbox, and tell that one is needed; it leaves them all else.
TEST_P(JobSuspects, RunInASandboxOneAfterTheOther) {
    suspects::stage.was_beside = suspects::stage.may_end = false;
    const auto runs = [&](const std::string& text) {
        const auto all = diary_.all();
        return std::ranges::count(all, text);
    };
    {
        std::atomic<int> needed{0};
        Node worker(database_.url(), diary_, suspects::declare);
        worker.runner_options.need_sandbox = [&] { ++needed; };
        for (int i = 0; i < 2; ++i) worker.write(enqueue_suspect);
        worker.run();
        for (int i = 0; i < 50; ++i) worker.write(enqueue_in<Watched>, Watched{"beside"});
        ASSERT_TRUE(wait_until([&] { return runs("beside") == 50 && needed > 0; }));
        EXPECT_EQ(runs("suspect"), 0);
    }
    Node sandbox(database_.url(), diary_, suspects::declare);
    sandbox.runner_options.is_sandbox = true;
    for (int i = 0; i < 10; ++i) sandbox.write(enqueue_in<Watched>, Watched{"not for it"});
    sandbox.run();
    ASSERT_TRUE(wait_until([&] { return runs("suspect") == 1; }));
    suspects::stage.may_end = true;
    ASSERT_TRUE(wait_until([&] { return runs("suspect") == 2; }));
    const auto idle = 3 * sandbox.runner_options.poll_every;
    ASSERT_TRUE(wait_until([&] { return sandbox.runner->sandbox_state().idle_for > idle; }));
    EXPECT_TRUE(sandbox.runner->sandbox_state().has_run_any);
    EXPECT_EQ(runs("not for it"), 0);
    EXPECT_EQ(sandbox.jobs_of("").size(), 10U);
    EXPECT_FALSE(suspects::stage.was_beside);
}

// It is told when one has ended that left some.
TEST_P(JobSuspects, AreLookedForAgainWhenASandboxHasEnded) {
    std::atomic<int> needed{0};
    Node worker(database_.url(), diary_, suspects::declare);
    worker.runner_options.need_sandbox = [&] { ++needed; };
    worker.run();
    worker.write(enqueue_in<Watched>, Watched{"none"});
    ASSERT_TRUE(wait_until([&] { return worker.jobs_of("").empty(); }));
    EXPECT_EQ(needed, 0);
    worker.write(enqueue_suspect);
    worker.runner->look_for_suspects();
    ASSERT_TRUE(wait_until([&] { return needed > 0; }));
}

}  // namespace
}  // namespace tests::conformance
