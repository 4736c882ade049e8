// Migrations: once, whoever comes first; never over what is newer or was changed.
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "tests/conformance/conformance.h"

namespace tests::conformance {

namespace store = loadstone::store;

namespace {

class Migrations : public ::testing::TestWithParam<Backend> {
protected:
    Migrations() : database_(GetParam()), options_(test_options(database_.url())) {}

    TestDatabase database_;
    store::DatabaseOptions options_;
};

constexpr store::Migration first{1, "first", "create table first (id integer)",
                                 "create table first (id bigint)"};
constexpr store::Migration second{2, "second", "create table second (id integer)",
                                  "create table second (id bigint)"};
constexpr store::Migration second_changed{2, "second", "create table second (name text)",
                                          "create table second (name text)"};
constexpr store::Migration second_fails{
    2, "second", "create table second (id integer); create table first (id integer)",
    "create table second (id bigint); create table first (id bigint)"};

store::ModuleMigrations module_of(const std::vector<store::Migration>& steps) {
    return {"module", steps};
}

}  // namespace

TEST_P(Migrations, ThePlanTellsWhatIsDoneAndIsThenEmpty) {
    const std::vector<store::Migration> steps{first, second};
    const std::vector<store::ModuleMigrations> modules{module_of(steps)};
    const auto plan = store::plan_migrations(options_, modules);
    ASSERT_EQ(plan.size(), 2U);
    EXPECT_EQ(plan[0].title, "first");
    EXPECT_EQ(plan[1].number, 2);
    EXPECT_EQ(store::migrate(options_, modules).size(), 2U);
    EXPECT_TRUE(store::plan_migrations(options_, modules).empty());
    EXPECT_TRUE(store::migrate(options_, modules).empty());
}

TEST_P(Migrations, ALaterStepIsAppliedAlone) {
    const std::vector<store::Migration> one{first};
    const std::vector<store::Migration> both{first, second};
    const std::vector<store::ModuleMigrations> before{module_of(one)};
    const std::vector<store::ModuleMigrations> after{module_of(both)};
    store::migrate(options_, before);
    const auto done = store::migrate(options_, after);
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].title, "second");
}

TEST_P(Migrations, ANewerDatabaseIsRefused) {
    const std::vector<store::Migration> one{first};
    const std::vector<store::Migration> both{first, second};
    const std::vector<store::ModuleMigrations> newer{module_of(both)};
    const std::vector<store::ModuleMigrations> older{module_of(one)};
    store::migrate(options_, newer);
    EXPECT_EQ(code_of([&] { store::plan_migrations(options_, older); }), Errc::conflict);
    EXPECT_EQ(code_of([&] { store::migrate(options_, older); }), Errc::conflict);
}

TEST_P(Migrations, AChangedStepIsRefused) {
    const std::vector<store::Migration> both{first, second};
    const std::vector<store::Migration> changed{first, second_changed};
    const std::vector<store::ModuleMigrations> released{module_of(both)};
    const std::vector<store::ModuleMigrations> edited{module_of(changed)};
    store::migrate(options_, released);
    EXPECT_EQ(code_of([&] { store::migrate(options_, edited); }), Errc::conflict);
}

TEST_P(Migrations, AFailedStepLeavesNothingBehind) {
    const std::vector<store::Migration> broken{first, second_fails};
    const std::vector<store::Migration> mended{first, second};
    const std::vector<store::ModuleMigrations> bad{module_of(broken)};
    const std::vector<store::ModuleMigrations> good{module_of(mended)};
    EXPECT_TRUE(code_of([&] { store::migrate(options_, bad); }));
    const auto done = store::migrate(options_, good);
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].title, "second");
}

TEST_P(Migrations, OfTenProcessesAtOnceEachStepIsDoneByOne) {
    const auto modules = all_migrations();
    std::size_t steps = 0;
    for (const auto& one : modules) steps += one.steps.size();
    std::vector<pid_t> children;
    for (int i = 0; i < 10; ++i) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            try {
                ::_exit(static_cast<int>(store::migrate(options_, modules).size()));
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
                ::_exit(200);
            }
        }
        children.push_back(child);
    }
    std::size_t done = 0;
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status));
        ASSERT_LT(WEXITSTATUS(status), 200);
        done += static_cast<std::size_t>(WEXITSTATUS(status));
    }
    EXPECT_EQ(done, steps);
    EXPECT_TRUE(store::plan_migrations(options_, modules).empty());
}

TEST_P(Migrations, OfTenThreadsAtOnceEachStepIsDoneByOne) {
    const auto modules = all_migrations();
    std::size_t steps = 0;
    for (const auto& one : modules) steps += one.steps.size();
    std::atomic<std::size_t> done{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 10; ++i) {
        threads.emplace_back([&] { done += store::migrate(options_, modules).size(); });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(done, steps);
}

LOADSTONE_ON_EVERY_BACKEND(Migrations);

}  // namespace tests::conformance
