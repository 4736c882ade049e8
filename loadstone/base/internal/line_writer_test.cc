#include "loadstone/base/internal/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace loadstone::internal {
namespace {

constexpr int pipe_bytes = 16384;

enum class Channel { pipe, socket };

// Two ends of a pipe or a socket pair; the far one is read without waiting.
class Ends {
public:
    explicit Ends(Channel channel) {
        if (channel == Channel::socket) {
            EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0);
            return;
        }
        EXPECT_EQ(::pipe(ends_), 0);
        EXPECT_EQ(fcntl(near(), F_SETPIPE_SZ, pipe_bytes), pipe_bytes);
    }
    Ends(const Ends&) = delete;
    ~Ends() {
        close_far();
        ::close(near());
    }

    int near() const { return ends_[1]; }
    void close_far() {
        if (ends_[0] >= 0) ::close(ends_[0]);
        ends_[0] = -1;
    }
    std::string read_all() {
        EXPECT_EQ(fcntl(ends_[0], F_SETFL, O_NONBLOCK), 0);
        std::string all;
        char buffer[4096];
        for (ssize_t bytes; (bytes = ::read(ends_[0], buffer, sizeof buffer)) > 0;) {
            all.append(buffer, static_cast<std::size_t>(bytes));
        }
        return all;
    }

private:
    int ends_[2] = {-1, -1};
};

TEST(LineWriter, DropsWholeLinesWhenAPipeIsFullAndGoesOnAfterwards) {
    Ends ends(Channel::pipe);
    LineWriter writer(ends.near());
    const std::string line = std::string(99, 'x') + '\n';
    int written = 0;
    while (written < 1000 && writer.write(line)) ++written;
    // poll(2) tells of room by the page: the last one may stay partly empty.
    EXPECT_GT(written, (pipe_bytes / 4096 - 1) * (4096 / 100));
    EXPECT_LE(written, pipe_bytes / 100);
    EXPECT_FALSE(writer.write(line));
    std::string all = ends.read_all();
    EXPECT_TRUE(writer.write("after\n"));
    all += ends.read_all();
    std::string expected;
    for (int i = 0; i < written; ++i) expected += line;
    EXPECT_EQ(all, expected + "after\n");
}

TEST(LineWriter, FinishesALineThatOnlyPartlyWentOutBeforeTheNext) {
    for (const Channel channel : {Channel::pipe, Channel::socket}) {
        Ends ends(channel);
        LineWriter writer(ends.near());
        std::string line(60'000, 'x');
        line += '\n';
        std::string expected;
        while (writer.write(line)) expected += line;
        EXPECT_FALSE(expected.empty());
        EXPECT_FALSE(writer.write("lost\n"));
        std::string all = ends.read_all();
        while (!writer.write("next\n")) {
            const std::string piece = ends.read_all();
            ASSERT_FALSE(piece.empty()) << "no room and nothing to read";
            all += piece;
        }
        all += ends.read_all();
        expected += "next\n";
        EXPECT_EQ(all, expected);
    }
}

TEST(LineWriter, LosesWhatAReaderThatIsGoneWouldHaveRead) {
    for (const Channel channel : {Channel::pipe, Channel::socket}) {
        Ends ends(channel);
        ends.close_far();
        LineWriter writer(ends.near());
        EXPECT_FALSE(writer.write("nobody\n"));
    }
    EXPECT_FALSE(LineWriter(-1).write("nowhere\n"));
}

TEST(LineWriter, LeavesTheFlagsOfTheDescriptorAlone) {
    Ends ends(Channel::pipe);
    const int before = fcntl(ends.near(), F_GETFL);
    LineWriter(ends.near()).write("line\n");
    EXPECT_EQ(fcntl(ends.near(), F_GETFL), before);
}

TEST(LineWriter, TakesLinesUpToItsLimit) {
    char path[] = "/tmp/line_writer_test.XXXXXX";
    const int file = mkstemp(path);
    ASSERT_GE(file, 0);
    unlink(path);
    LineWriter writer(file);
    constexpr std::size_t max = LineWriter::line_bytes_max;
    EXPECT_TRUE(writer.write(std::string(max - 1, 'x')));
    EXPECT_TRUE(writer.write(std::string(max, 'x')));
    EXPECT_FALSE(writer.write(std::string(max + 1, 'x')));
    EXPECT_EQ(lseek(file, 0, SEEK_END), static_cast<off_t>(2 * max - 1));
    close(file);
}

}  // namespace
}  // namespace loadstone::internal
