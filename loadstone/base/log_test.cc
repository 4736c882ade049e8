#include "loadstone/base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>
#include <thread>
#include <vector>

#include "loadstone/base/json.h"

namespace loadstone::log {
namespace {

struct Line {
    Timestamp time;
    std::string level, event;
    std::optional<std::string> text;
    std::optional<std::int64_t> number;
    std::optional<double> real;
    std::optional<bool> truth;
    std::optional<std::uint64_t> lines;
};
BOOST_DESCRIBE_STRUCT(Line, (), (time, level, event, text, number, real, truth, lines))

// stderr as a pipe, while it lives.
class Log : public testing::Test {
protected:
    void SetUp() override {
        saved_ = dup(STDERR_FILENO);
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        reader_ = ends[0];
        ASSERT_EQ(fcntl(reader_, F_SETFL, O_NONBLOCK), 0);
        ASSERT_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
        ::close(ends[1]);
        configure(Level::info, Format::json);
    }

    void TearDown() override {
        dup2(saved_, STDERR_FILENO);
        ::close(saved_);
        ::close(reader_);
        configure(Level::info, Format::text);
    }

    std::string read_all() const {
        std::string all;
        char buffer[65536];
        for (ssize_t bytes; (bytes = ::read(reader_, buffer, sizeof buffer)) > 0;) {
            all.append(buffer, static_cast<std::size_t>(bytes));
        }
        return all;
    }

    std::vector<Line> read_lines() const {
        std::vector<Line> lines;
        const std::string all = read_all();
        for (std::size_t at = 0; at < all.size();) {
            const std::size_t end = all.find('\n', at);
            lines.push_back(value_or_throw(from_json<Line>(all.substr(at, end - at))));
            at = end + 1;
        }
        return lines;
    }

private:
    int saved_ = -1;
    int reader_ = -1;
};

TEST_F(Log, WritesOneJsonObjectALine) {
    const Timestamp before = Timestamp::now();
    warning("replica lost",
            {{"text", "a \"b\"\n"}, {"number", -7}, {"real", 0.5}, {"truth", true}});
    error("and found");
    const auto lines = read_lines();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_GE(lines[0].time, before);
    EXPECT_LE(lines[0].time, Timestamp::now());
    EXPECT_EQ(lines[0].level, "warning");
    EXPECT_EQ(lines[0].event, "replica lost");
    EXPECT_EQ(lines[0].text, "a \"b\"\n");
    EXPECT_EQ(lines[0].number, -7);
    EXPECT_EQ(lines[0].real, 0.5);
    EXPECT_EQ(lines[0].truth, true);
    EXPECT_EQ(lines[1].level, "error");
}

TEST_F(Log, QuotesNumbersThatJsonDoesNotHave) {
    info("odd", {{"text", std::numeric_limits<double>::quiet_NaN()}});
    info("odd", {{"text", -std::numeric_limits<double>::infinity()}});
    info("odd", {{"text", 'c'}});
    const auto lines = read_lines();
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].text, "nan");
    EXPECT_EQ(lines[1].text, "-inf");
    EXPECT_EQ(lines[2].text, "c");
}

TEST_F(Log, KeepsALineALineInText) {
    configure(Level::info, Format::text);
    info("mail\nsent", {{"to", "a@b.at"}, {"subject", "Hi =\n\x1b[2J"}, {"empty", ""}, {"n", 3}});
    const std::string line = read_all();
    EXPECT_EQ(line.substr(23),
              "Z info    mail sent to=a@b.at subject=\"Hi =\\n\\u001b[2J\" empty=\"\" n=3\n");
}

TEST_F(Log, WritesFromTheThresholdOnly) {
    for (const Level threshold : {Level::debug, Level::info, Level::warning, Level::error}) {
        configure(threshold, Format::json);
        debug("line");
        info("line");
        warning("line");
        error("line");
        EXPECT_EQ(read_lines().size(), 4U - static_cast<std::size_t>(threshold));
        EXPECT_EQ(enabled(Level::debug), threshold == Level::debug);
        EXPECT_TRUE(enabled(Level::error));
    }
}

TEST_F(Log, CutsLongValues) {
    info(std::string(5000, 'e'), {{"text", std::string(4095, 't')}});
    info("line", {{"text", std::string(4096, 't')}});
    info("line", {{"text", std::string(4097, 't')}});
    const auto lines = read_lines();
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].event.size(), 4096U);
    EXPECT_EQ(lines[0].text->size(), 4095U);
    EXPECT_EQ(lines[1].text->size(), 4096U);
    EXPECT_EQ(lines[2].text->size(), 4096U);
}

TEST_F(Log, DropsAndCountsWhatAStuckReaderLeaves) {
    const std::uint64_t dropped_before = dropped_lines();
    constexpr std::uint64_t written = 20'000;
    for (std::uint64_t i = 0; i < written; ++i) info("line", {{"number", i}});
    const std::uint64_t dropped = dropped_lines() - dropped_before;
    ASSERT_GT(dropped, 0U);
    const auto lines = read_lines();
    EXPECT_EQ(lines.size() + dropped, written);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        ASSERT_EQ(lines[i].number, static_cast<std::int64_t>(i));
    }
    info("again");
    const auto after = read_lines();
    ASSERT_EQ(after.size(), 2U);
    EXPECT_EQ(after[0].event, "log lines dropped");
    EXPECT_EQ(after[0].lines, dropped);
    EXPECT_EQ(after[1].event, "again");
    info("and again");
    EXPECT_EQ(read_lines().size(), 1U);
}

TEST_F(Log, KeepsLinesOfSeveralThreadsApart) {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([] {
            for (int i = 0; i < 500; ++i) info("line", {{"number", i}, {"text", "some text"}});
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(read_lines().size(), 2000U);
}

}  // namespace
}  // namespace loadstone::log
