// That each check of the history checker can fail: a world in which nothing has happened, one thing
// that must not be, and what is said of it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/simulation/kinds.h"
#include "tests/simulation/world.h"

namespace tests::simulation {
namespace {

void run(World& world, const std::string& sql) {
    ASSERT_EQ(sqlite3_exec(world.db(), sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(world.db());
}

#define EXPECT_SAYS(world, sentence)                                              \
    do {                                                                          \
        const std::string said = (world).check();                                 \
        EXPECT_NE(said.find(sentence), std::string::npos) << "it says: " << said; \
    } while (false)

// Jobs that were committed: number, kind, lane, parent; and effects, in order.
std::string expected(const std::string& jobs) {
    return "insert into sim_expected (job, kind, lane, parent) values " + jobs + ";";
}
std::string effects(const std::string& jobs) {
    return "insert into sim_effects (job) values " + jobs + ";";
}
std::string ready(const std::string& kind, const std::string& extra) {
    return "insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, "
           "run_at, extra) values ('sim', 0, '" +
           kind + "', '{}', '', 0, 0, '" + extra + "');";
}
std::string limit_state(const std::string& name, int running) {
    return "insert into loadstone_limit_states (name, version, arrival_at, running) values ('" +
           name + "', 0, 0, " + std::to_string(running) + ");";
}
std::string loan(const std::string& name, int places) {
    return "insert into loadstone_limit_loans (process, name, places) values (1, '" + name + "', " +
           std::to_string(places) + ");";
}
// Of a process that lives, numbered as it is.
std::string batch(int number, const std::string& lane) {
    const std::string id = std::to_string(number);
    return "insert or ignore into loadstone_processes (id, name, started_at, heartbeat_at) values "
           "(1, 'p', 0, 0);"
           "insert into loadstone_batches (id, process, claimed_at, jobs) values (" +
           id + ", 1, 0, '[{\"id\":" + id + ",\"kind\":\"sim.Plain\",\"partition_key\":\"" + lane +
           "\"}]');";
}

TEST(SimulationChecks, AWorldInWhichNothingHasHappenedIsInOrder) {
    World world(1);
    EXPECT_EQ(world.check(), "");
}

struct Broken {
    const char* what;
    std::string sql, sentence;
};

TEST(SimulationChecks, SayWhatRowsAreWrong) {
    const std::string dead =
        "insert into loadstone_dead_jobs (id, kind, arguments, idempotency_key, cause, priority, "
        "enqueued_at, buried_at, attempt, crashes, last_error) "
        "values (1, 'sim.Plain', '', '', '', 0, 0, 0, 1, 0, '');";
    const std::vector<Broken> all{
        {"a place that nobody holds", limit_state("limited:a", 1),
         "is not what is counted: counted limited:a: 1"},
        {"a place that nobody counts", loan("limited:a", 1),
         "is not what is counted: held limited:a: 1"},
        {"too many", limit_state("limited:a", 3) + loan("limited:a", 3),
         "3 places of limited:a are taken"},
        {"too many of a larger one", limit_state("crowded:a", 13) + loan("crowded:a", 13),
         "13 places of crowded:a are taken"},
        {"two in order", limit_state("sim.Ordered:a", 2) + loan("sim.Ordered:a", 2),
         "2 places of sim.Ordered:a are taken"},
        {"a key twice",
         ready("sim.Unique", R"({"unique":"k"})") + ready("sim.Unique", R"({"unique":"k"})"),
         "2 live jobs have the unique key k"},
        {"a key of nobody",
         "insert into loadstone_unique (unique_key, job, until) values ('k', 1, 0)",
         "1 unique keys are left"},
        {"a follower of nobody", "insert into loadstone_follows (job, next) values (1, 2)",
         "1 followers are left"},
        {"a result for nobody",
         "insert into loadstone_results (job, name, value) values (1, 'a', '1')",
         "1 results are left"},
        {"a step of nobody", "insert into loadstone_steps (job, name, value) values (1, 'a', '1')",
         "1 steps are left"},
        {"progress of nobody",
         "insert into loadstone_progress (job, fraction, note, reported_at) values (1, 0, '', 0)",
         "1 progress are left"},
        {"a place of one that waits",
         limit_state("limited:a", 1) + ready("sim.Limited", R"({"holds":["limited:a"]})"),
         "1 places of limits are left"},
        {"a mark of nobody", "insert into loadstone_done (batch, job) values (1, 1)",
         "1 marks are left"},
        {"a job that is lost", expected("(1, 'sim.Plain', '', 0)"),
         "job 1 of sim.Plain has 0 effects and is 0 dead letters"},
        {"one that is done and dead", expected("(1, 'sim.Plain', '', 0)") + effects("(1)") + dead,
         "job 1 of sim.Plain has 1 effects and is 1 dead letters"},
        {"an effect of nobody", effects("(1)"), "1 effects are of jobs that nobody has enqueued"},
        {"the wrong order",
         expected("(1, 'sim.Ordered', 'a', 0), (2, 'sim.Ordered', 'a', 0)") + effects("(2), (1)"),
         "in lane a job 1 came after 2"},
        {"a callback that is early",
         expected("(1, 'sim.Part', '7', 3), (3, 'sim.Callback', '', 3)") + effects("(3), (1)"),
         "the callback 3 came before a part of its batch"},
        {"a follower that is early",
         expected("(1, 'sim.Plain', '', 0), (2, 'sim.Follower', '', 1)") + effects("(2), (1)"),
         "job 2 came before 1, after which it was enqueued"},
        {"a result that nobody gave",
         expected("(1, 'sim.Part', '7', 3), (3, 'sim.Callback', '', 3)") + effects("(1), (3)") +
             "insert into sim_results (job, part, value) values (3, 'part 0', 8)",
         "the callback 3 read 8 of part 0"},
        {"a step that is missing",
         expected("(1, 'sim.Stepped', '', 0)") + effects("(1)") +
             "insert into sim_steps (job, step) values (1, 1), (1, 3)",
         "job 1 has made its steps 1 3"},
        {"steps that are missing", expected("(1, 'sim.Stepped', '', 0)") + effects("(1)"),
         "job 1 has made its steps "},
    };
    for (const Broken& broken : all) {
        SCOPED_TRACE(broken.what);
        World world(1);
        run(world, broken.sql);
        EXPECT_SAYS(world, broken.sentence);
    }
}

TEST(SimulationChecks, SayThatAJobRanThatWasNeverCommitted) {
    World world(1);
    world.claims().push_back({7, 0, "sim.Plain", ""});
    EXPECT_SAYS(world, "job 7 of sim.Plain ran and was never committed");
}

TEST(SimulationChecks, SayThatTooManyStartWithinATime) {
    for (const auto& [kind, burst] : {std::pair{"sim.Throttled", sim::throttled_burst},
                                      std::pair{"sim.Brisk", sim::brisk_burst}}) {
        World world(1);
        for (int job = 1; job <= burst + 1; ++job) {
            const std::string id = std::to_string(job);
            run(world, expected("(" + id + ", '" + kind + "', 'a', 0)") + effects("(" + id + ")"));
            world.claims().push_back({job, 1'000, kind, "a"});
        }
        EXPECT_SAYS(world, std::to_string(burst + 1) + " starts of a within 0 s");
        world.claims().pop_back();
        EXPECT_EQ(world.check(), "") << kind;
    }
}

// What runs, whatever the rows say.
class SimulationRuns : public testing::Test {
protected:
    ~SimulationRuns() override { sim::runs_now().clear(); }
    static void runs(std::int64_t number, const std::string& crowd = "") {
        sim::runs_now().push_back({{number, 1, number}, crowd});
    }
    World world_{1};
};

TEST_F(SimulationRuns, SayThatTooManyRunOfAKey) {
    for (int number = 1; number <= sim::crowded_at_once + 1; ++number) {
        run(world_, batch(number, "crowded:a"));
        runs(number, "a");
    }
    EXPECT_SAYS(world_, "13 crowded jobs run of lane a");
}

TEST_F(SimulationRuns, SayThatASuspectDoesNotRunAlone) {
    run(world_, batch(1, "a|loadstone.suspect:1") + batch(2, "a|loadstone.suspect:2"));
    runs(1);
    runs(2);
    EXPECT_SAYS(world_, "1 jobs run beside a suspect in process 1");
}

TEST_F(SimulationRuns, SayThatASuspectRunsInAProcessThatIsNoSandbox) {
    run(world_, batch(1, "a"));
    runs(1);
    world_.check();
    sim::runs_now().clear();
    run(world_, batch(2, "a|loadstone.suspect:2"));
    runs(2);
    EXPECT_SAYS(world_, "a suspect runs in process 1, which is no sandbox");
}

TEST(SimulationChecks, SayThatAKeyIsTakenBeforeItsTime) {
    World world(1);
    const std::string until = "9000000000000000";
    run(world,
        "insert into loadstone_unique (unique_key, job, until) values ('k', 1, " + until + ")");
    EXPECT_EQ(world.check(), "");
    run(world, "update loadstone_unique set job = 2");
    EXPECT_SAYS(world, "key k of job 1 is taken by 2 before its time");
}

// A schedule that is known: the commits that follow move it on.
class SimulationFirings : public testing::Test {
protected:
    SimulationFirings() {
        run(world_,
            "insert into loadstone_schedules (name, fired_at, expression) "
            "values ('sim.all', (" +
                minute_ + ") - 120000000, '')");
        EXPECT_EQ(world_.check(), "");
    }
    void move_on() { run(world_, "update loadstone_schedules set fired_at = " + minute_); }
    void tick() {
        run(world_,
            "insert into loadstone_ready (queue, priority, kind, arguments, cause, "
            "enqueued_at, run_at) values "
            "('sim', 0, 'sim.Tick', '{\"lane\":\"all\"}', '', 0, 0)");
    }

    // The minute that has begun, by the database's clock.
    const std::string minute_ = "cast((julianday('now') - 2440587.5) * 1440 as integer) * 60000000";
    World world_{1};
};

TEST_F(SimulationFirings, SayThatOneIsMissing) {
    tick();
    move_on();
    EXPECT_SAYS(world_, "with 1 ticks instead of 2");
}

TEST_F(SimulationFirings, SayThatOneIsDoubled) {
    for (int i = 0; i < 3; ++i) tick();
    move_on();
    EXPECT_SAYS(world_, "with 3 ticks instead of 2");
}

TEST_F(SimulationFirings, SayThatOneIsOfNoMinute) {
    tick();
    EXPECT_SAYS(world_, "with 1 ticks instead of 0");
}

TEST_F(SimulationFirings, SayThatAScheduleHasGoneTooFar) {
    for (int i = 0; i < 2; ++i) tick();
    run(world_, "update loadstone_schedules set fired_at = " + minute_ + " + 1");
    EXPECT_SAYS(world_, "sim.all has fired at ");
}

TEST_F(SimulationFirings, SayThatATickIsLost) {
    for (int i = 0; i < 2; ++i) tick();
    move_on();
    EXPECT_SAYS(world_, "of sim.Tick has 0 effects and is 0 dead letters");
}

}  // namespace
}  // namespace tests::simulation
