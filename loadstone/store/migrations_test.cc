#include "loadstone/store/migrations.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "loadstone/store/sqlite/testing.h"

namespace loadstone::store {
namespace {

using testing::error_thrown_by;
using testing::StoreTest;

constexpr Migration create{.number = 1,
                           .title = "books",
                           .sqlite =
                               "create table books (id integer primary key, title text);"
                               "create index books_by_title on books (title)"};
constexpr Migration rows{
    .number = 2, .title = "first book", .sqlite = "insert into books (title) values ('one')"};
constexpr Migration edited{
    .number = 2, .title = "first book", .sqlite = "insert into books (title) values ('two')"};
constexpr Migration broken{.number = 3,
                           .title = "broken",
                           .sqlite =
                               "insert into books (title) values ('three');"
                               "insert into nowhere values (1)"};
constexpr Migration ends_itself{.number = 3, .title = "ends itself", .sqlite = "commit"};

constexpr std::array one{create};
constexpr std::array two{create, rows};
constexpr std::array two_edited{create, edited};
constexpr std::array three_broken{create, rows, broken};
constexpr std::array three_ending{create, rows, ends_itself};

using Steps = std::span<const Migration>;

class MigrationsTest : public StoreTest {
protected:
    std::vector<PlannedStep> plan(Steps steps) {
        const ModuleMigrations books{"books", steps};
        const std::array modules{store_migrations(), books};
        return plan_migrations(options, modules);
    }
    std::vector<PlannedStep> apply(Steps steps) {
        const ModuleMigrations books{"books", steps};
        const std::array modules{store_migrations(), books};
        return migrate(options, modules);
    }
    std::int64_t books() {
        static constexpr Query query{.name = "test.books", .sqlite = "select count(*) from books"};
        open();
        Context context(*services, Deadline::in(std::chrono::seconds(20)));
        const auto count = run(context.reader().one<std::int64_t>(query));
        close();
        return count;
    }
};

TEST_F(MigrationsTest, PlansEveryStepInOrderAndCreatesNothing) {
    const auto steps = plan(two);
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(steps[0].module, "loadstone");
    EXPECT_EQ(steps[1].module, "books");
    EXPECT_EQ(steps[1].number, 1);
    EXPECT_EQ(steps[2].title, "first book");
    EXPECT_EQ(steps[2].sql, rows.sqlite);
    EXPECT_FALSE(std::filesystem::exists(folder.file("test.db")));
}

TEST_F(MigrationsTest, AppliesWhatIsMissingAndNothingTwice) {
    EXPECT_EQ(apply(one).size(), 2U);
    EXPECT_EQ(plan(two).size(), 1U);
    const auto done = apply(two);
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].number, 2);
    EXPECT_TRUE(apply(two).empty());
    EXPECT_TRUE(plan(two).empty());
    EXPECT_EQ(books(), 1);
}

TEST_F(MigrationsTest, RefusesADatabaseThatIsNewer) {
    apply(two);
    for (const bool planning : {true, false}) {
        const Error error = error_thrown_by([&] { planning ? plan(one) : apply(one); });
        EXPECT_EQ(error.code(), Errc::conflict);
        EXPECT_EQ(error.message(),
                  "the database is newer than this program: it has migration 2 of module 'books' "
                  "(first book), which is unknown here");
    }
}

TEST_F(MigrationsTest, RefusesAStepWhoseTextHasChanged) {
    apply(two);
    const Error error = error_thrown_by([&] { apply(two_edited); });
    EXPECT_EQ(error.code(), Errc::conflict);
    EXPECT_NE(error.message().find("migration 2 of module 'books' (first book) has changed"),
              std::string::npos)
        << error.message();
}

TEST_F(MigrationsTest, LeavesNothingOfAStepThatFails) {
    for (const Steps steps : {Steps(three_broken), Steps(three_ending)}) {
        const Error error = error_thrown_by([&] { apply(steps); });
        EXPECT_NE(error.message().find("migration 3 of module 'books'"), std::string::npos)
            << error.message();
        EXPECT_EQ(books(), 1);
        EXPECT_TRUE(apply(two).empty());
    }
}

TEST_F(MigrationsTest, MigrateOnceWhenTenProcessesBeginAtOnce) {
    loops.stop();  // a child has only the thread that forks
    std::array<int, 2> gate{};
    ASSERT_EQ(::pipe(gate.data()), 0);
    std::vector<pid_t> children;
    for (int i = 0; i < 10; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(gate[1]);
            char byte = 0;
            static_cast<void>(::read(gate[0], &byte, 1));  // until all have been started
            try {
                ::_exit(static_cast<int>(apply(two).size()));
            } catch (const Error& error) {
                static_cast<void>(::write(2, error.what(), error.message().size()));
                ::_exit(100);
            }
        }
        children.push_back(child);
    }
    ::close(gate[0]);
    ::close(gate[1]);
    int steps = 0;
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status));
        ASSERT_NE(WEXITSTATUS(status), 100);
        steps += WEXITSTATUS(status);
    }
    EXPECT_EQ(steps, 3);
    EXPECT_TRUE(plan(two).empty());
}

}  // namespace
}  // namespace loadstone::store
