// kill -9 in the middle of writes: what was acknowledged is there, and nothing is there by half.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/sqlite/testing_items.h"

namespace loadstone::store {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr int writers = 16;

// Two rows that belong together.
Task<void> insert_pair(Tx& tx, const std::string& name) {
    co_await insert_item(tx, name + " a");
    co_await insert_item(tx, name + " b");
}

class WritingChild : public ItemsTest {
public:
    void TestBody() override {}

    // Until it is killed. Each name goes to `acknowledged` after its pair was acknowledged.
    [[noreturn]] void write_forever(const std::string& url, int acknowledged) {
        options.url = url;
        open_with_items();
        runtime::TaskScope scope("writers");
        for (int i = 0; i < writers; ++i) {
            scope.spawn(loops.executor(i % 2), write_pairs(i, acknowledged));
        }
        scope.join_blocking(Deadline::in(std::chrono::minutes(1)));
        ::_exit(1);
    }

private:
    Task<void> write_pairs(int writer, int acknowledged) {
        for (int i = 0;; ++i) {
            const std::string name = fmt::format("{}-{}", writer, i);
            Context context(*services, Deadline::in(ample));
            co_await context.write(insert_pair, name);
            const std::string line = name + "\n";
            if (::write(acknowledged, line.data(), line.size()) < 0) ::_exit(1);
        }
    }
};

// Reads names until there are `lines_max`, kills the writer, and reads what it had still said.
std::set<std::string> acknowledged_before_kill(int from, pid_t child, std::size_t lines_max) {
    std::string text;
    std::size_t lines = 0;
    bool killed = false;
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t size = ::read(from, buffer.data(), buffer.size());
        if (size <= 0) break;
        const std::string_view part(buffer.data(), static_cast<std::size_t>(size));
        text += part;
        lines += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
        if (!killed && lines >= lines_max) {
            ::kill(child, SIGKILL);
            killed = true;
        }
    }
    std::set<std::string> names;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = text.find('\n', start);
        if (end == std::string::npos) break;
        names.insert(text.substr(start, end - start));
        start = end + 1;
    }
    return names;
}

class Checked : public ItemsTest {
public:
    void TestBody() override {}
    void check(const std::string& url, const std::set<std::string>& acknowledged) {
        options.url = url;
        open();
        static constexpr Query integrity{.name = "test.integrity",
                                         .sqlite = "pragma integrity_check"};
        static constexpr Query all{.name = "test.all",
                                   .sqlite = "select name from items order by name"};
        auto read = [](runtime::Services& known, const Query& query,
                       std::set<std::string>* into) -> Task<void> {
            Context context(known, Deadline::in(ample));
            auto take = [into](const std::string& text) { into->insert(text); };
            co_await context.reader().each<std::string>(query, take);
        };
        std::set<std::string> verdict, rows;
        run(read(*services, integrity, &verdict));
        EXPECT_EQ(verdict, std::set<std::string>{"ok"});
        run(read(*services, all, &rows));
        std::size_t lost = 0;
        for (const std::string& name : acknowledged) {
            if (!rows.contains(name + " a") || !rows.contains(name + " b")) ++lost;
        }
        EXPECT_EQ(lost, 0U) << "of " << acknowledged.size();
        EXPECT_EQ(rows.size() % 2, 0U) << "a pair by half";
        close();
    }
};

TEST(CrashTest, KillingTheProcessLosesNothingAcknowledged) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 8; ++round) {
        const TemporaryFolder folder;
        const std::string url = "sqlite:" + folder.file("test.db");
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            WritingChild writer;
            writer.write_forever(url, ends[1]);
        }
        ::close(ends[1]);
        const std::size_t lines = 50 + random() % 3'000;
        const auto acknowledged = acknowledged_before_kill(ends[0], child, lines);
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
        EXPECT_GE(acknowledged.size(), lines);
        Checked checked;
        checked.check(url, acknowledged);
    }
}

}  // namespace
}  // namespace loadstone::store
