// Answers that a process leaves to the one that starts in its place: what is true of them is used,
// and nothing else.

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "loadstone/base/random.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/cache/internal/warm_file.h"
#include "tests/conformance/views/node.h"
#include "tests/support/process.h"

namespace tests::conformance::views {

namespace {

namespace internal = loadstone::cache::internal;

constexpr std::int64_t courses = 20;
constexpr std::uint64_t bytes_max = 1 << 20;

Task<void> save(Context& context, Node* node, std::string path) {
    co_await node->cache().save(context, std::move(path));
}
Task<void> load(Context& context, Node* node, std::string path) {
    co_await node->cache().load(context, std::move(path));
}

class WarmTest : public Views {
protected:
    std::unique_ptr<Node> started() {
        auto node = std::make_unique<Node>(options_);
        node->run(load, node.get(), path_);
        return node;
    }
    // Of all courses; how many of them were computed.
    int read_all(Node& node, std::int64_t each) {
        const int before = computations;
        for (std::int64_t course = 0; course < courses; ++course)
            EXPECT_EQ(node.run(cached_total, course), each);
        return computations - before;
    }
    // All answers of a process that stopped, as it left them.
    internal::WarmAnswers left() {
        Node node(options_);
        read_all(node, 0);
        node.run(save, &node, path_);
        return internal::take_warm_file(path_, bytes_max).value();
    }
    // By the process that starts with these.
    int computed_with(const internal::WarmAnswers& answers) {
        internal::write_warm_file(path_, answers);
        const auto node = started();
        return read_all(*node, 0);
    }

    TempDir folder_;
    std::string path_ = (folder_.path() / "cache.warm").string();
};
LOADSTONE_ON_EVERY_BACKEND(WarmTest);

}  // namespace

TEST_P(WarmTest, AnswersAreUsedByTheNextProcess) {
    {
        Node node(options_);
        EXPECT_EQ(read_all(node, 0), courses);
        node.run(save, &node, path_);
    }
    struct stat file{};
    ASSERT_EQ(::stat(path_.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 07777U, 0600U);
    const auto next = started();
    EXPECT_EQ(read_all(*next, 0), 0);
    EXPECT_FALSE(std::filesystem::exists(path_));  // once
    next->run(add_point, 1, 1);
    EXPECT_EQ(next->run(cached_total, 1), 1);
}

TEST_P(WarmTest, AnswersAreComputedAgainThatAWriteInBetweenMadeUntrue) {
    {
        Node node(options_);
        read_all(node, 0);
        node.run(save, &node, path_);
        node.run(add_point, 3, 1);  // as it ends
    }
    {
        Node(options_).run(add_point, 5, 1);
    }
    const auto next = started();
    const int before = computations;
    for (std::int64_t course = 0; course < courses; ++course)
        EXPECT_EQ(next->run(cached_total, course), course == 3 || course == 5 ? 1 : 0);
    EXPECT_EQ(computations - before, 2);
}

TEST_P(WarmTest, AnswersAreNotUsedIfTheyMayBeUntrue) {
    const internal::WarmAnswers good = left();
    ASSERT_EQ(good.answers.size(), static_cast<std::size_t>(courses));
    const auto with = [&](auto&& change) {
        internal::WarmAnswers answers = good;
        change(answers);
        return computed_with(answers);
    };
    using Answers = internal::WarmAnswers;
    EXPECT_EQ(with([](Answers& one) { one.program = "another"; }), courses);
    EXPECT_EQ(with([](Answers& one) { one.boot = "another"; }), courses);
    EXPECT_EQ(with([](Answers& one) { one.at_us -= 301'000'000; }), courses);
    EXPECT_EQ(with([](Answers& one) { one.at_us += 1'000'000'000; }), courses);
    EXPECT_EQ(with([](Answers& one) { one.token = "1"; }), courses);  // another database
    EXPECT_EQ(with([](Answers& one) { one.history = "another"; }), courses);
    EXPECT_EQ(with([](Answers&) {}), 0);
}

TEST_P(WarmTest, FilesThatAreDamagedAreLeft) {
    left();
    const auto with = [&](auto&& damage) {
        {
            Node node(options_);
            read_all(node, 0);
            node.run(save, &node, path_);
        }
        damage();
        const auto next = started();
        return read_all(*next, 0);
    };
    const auto size = [&] { return std::filesystem::file_size(path_); };
    EXPECT_EQ(with([] {}), 0);
    EXPECT_EQ(with([&] { std::filesystem::resize_file(path_, size() - 1); }), courses);
    EXPECT_EQ(with([&] { std::filesystem::resize_file(path_, 10); }), courses);
    EXPECT_EQ(with([&] { std::filesystem::resize_file(path_, 0); }), courses);
    EXPECT_EQ(with([&] {
                  std::fstream file(path_);
                  file.seekp(static_cast<std::streamoff>(size() / 2));
                  file.put('~');
              }),
              courses);
    EXPECT_EQ(with([&] { std::ofstream(path_) << "loadstone cache 2 "; }), courses);
    // Killed while it wrote.
    EXPECT_EQ(with([&] { std::filesystem::rename(path_, path_ + ".part"); }), courses);
}

TEST_P(WarmTest, AnswersOfAllViewsAreBounded) {
    EXPECT_THROW(
        {
            internal::write_warm_file(path_, left());
            internal::take_warm_file(path_, 10);
        },
        Error);
}

// Writers and restarts at random; each write adds a point, so what a read owes is known.
TEST_P(WarmTest, AnswersAreNeverStale) {
    const int steps = std::getenv("LOADSTONE_FULL") != nullptr ? 300 : 12;
    const auto seed = static_cast<std::uint64_t>(loadstone::Timestamp::now().micros);
    SCOPED_TRACE(seed);
    loadstone::Random random(seed);
    Node other(options_);  // another process, that goes on
    std::map<std::int64_t, std::int64_t> points;
    const auto write = [&](Node& node) {
        const auto course = static_cast<std::int64_t>(random.below(courses));
        node.run(add_point, course, std::int64_t{0});
        ++points[course];
    };
    std::uint64_t hits = 0;
    for (int step = 0; step < steps; ++step) {
        const auto node = started();
        for (int i = 0; i < 40; ++i) {
            if (random.below(8) == 0) write(random.below(2) == 0 ? *node : other);
            const auto course = static_cast<std::int64_t>(random.below(courses));
            ASSERT_EQ(node->run(cached_total, course), points[course]);
        }
        hits += node->counted("hits");
        const auto end = random.below(4);
        if (end == 0) continue;  // killed: nothing is left
        std::thread beside;
        if (end == 1) beside = std::thread([&] { write(other); });
        node->run(save, node.get(), path_);
        if (beside.joinable()) beside.join();
        while (random.below(2) == 0) write(random.below(2) == 0 ? *node : other);
    }
    EXPECT_GT(hits, 0U);
}

}  // namespace tests::conformance::views
