#include "loadstone/net/internal/request_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

namespace loadstone::net::internal {
namespace {

using Step = RequestReader::Step;

// Feeds a text in pieces of a size.
class Feeder {
public:
    Feeder(RequestReader& reader, std::string_view text, std::size_t piece)
        : reader_(reader), text_(text), piece_(piece) {}

    template <class Read>
    Step until_read(Read read) {
        Step step = read();
        while (step == Step::need_more && !text_.empty()) {
            const auto space = reader_.space();
            const std::size_t size = std::min({space.size(), piece_, text_.size()});
            std::memcpy(space.data(), text_.data(), size);
            text_.remove_prefix(size);
            reader_.commit(size);
            step = read();
        }
        return step;
    }
    bool is_empty() const { return text_.empty(); }

private:
    RequestReader& reader_;
    std::string_view text_;
    std::size_t piece_;
};

TEST(RequestReader, ReadsPipelinedRequestsInPiecesOfAnySize) {
    HttpLimits limits;
    const std::string large(9000, 'L');
    const std::string text =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        "\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" +
        fmt::format("POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", large.size(),
                    large) +
        fmt::format(
            "POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
            "chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            large.size(), large) +
        fmt::format("GET /5 HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", std::string(7000, 'h')) +
        fmt::format(
            "POST /6 HTTP/1.1\r\nHost: a\r\nX: {}\r\nTransfer-Encoding: "
            "chunked\r\n\r\n1\r\n6\r\n0\r\n\r\n",
            std::string(7000, 'h'));
    const std::vector<std::string> bodies{"", "hello", large, large, "", "6"};
    for (const std::size_t piece : {1u, 2u, 3u, 7u, 100u, 1000u, 4096u, 100'000u}) {
        RequestReader reader(limits);
        Feeder feeder(reader, text, piece);
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < bodies.size(); ++i) {
            ASSERT_EQ(feeder.until_read([&] { return reader.read_head(); }), Step::done)
                << piece << ' ' << i;
            const char* const head = reader.head_bytes();
            const std::string_view target = reader.head().target.in(head);
            ASSERT_EQ(target, fmt::format("/{}", i + 1));
            ASSERT_EQ(reader.begin_body(10'000), Step::done);
            ASSERT_EQ(feeder.until_read([&] { return reader.read_body(); }), Step::done)
                << piece << ' ' << i;
            ASSERT_EQ(reader.head_bytes(), head) << "reading a body moves nothing";
            ASSERT_EQ(target, fmt::format("/{}", i + 1));
            ASSERT_EQ(reader.head().value(KnownField::host, head), "a");
            ASSERT_TRUE(reader.body() == bodies[i]) << piece << ' ' << i;
            bytes += reader.bytes();
            reader.finish();
        }
        EXPECT_TRUE(reader.is_empty());
        EXPECT_EQ(bytes, text.size() - 2) << "all but the empty line";
    }
}

TEST(RequestReader, IgnoresOneEmptyLineHoweverItIsCut) {
    HttpLimits limits;
    const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const std::size_t piece : {1u, 2u, 100u}) {
        for (const std::size_t lines : {0u, 1u, 2u}) {
            std::string text = request;
            for (std::size_t i = 0; i < lines; ++i) text += "\r\n";
            text += request;
            RequestReader reader(limits);
            Feeder feeder(reader, text, piece);
            ASSERT_EQ(feeder.until_read([&] { return reader.read_head(); }), Step::done);
            ASSERT_EQ(reader.begin_body(10), Step::done);
            reader.finish();
            EXPECT_EQ(feeder.until_read([&] { return reader.read_head(); }),
                      lines < 2 ? Step::done : Step::failed)
                << lines << " in pieces of " << piece;
        }
    }
}

TEST(RequestReader, LeavesNothingOpenWhereThereIsNoBody) {
    HttpLimits limits;
    for (const std::string_view text :
         {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"}) {
        RequestReader reader(limits);
        Feeder feeder(reader, text, 1000);
        ASSERT_EQ(feeder.until_read([&] { return reader.read_head(); }), Step::done);
        ASSERT_EQ(reader.begin_body(10), Step::done);
        EXPECT_FALSE(reader.is_body_open()) << "a request that is refused before its body is over";
        reader.finish();
        EXPECT_TRUE(reader.is_empty());
    }
}

TEST(RequestReader, HoldsTheLimitsOfTheHeader) {
    HttpLimits limits;
    limits.header_bytes_max = 300;
    limits.target_bytes_max = 100;
    limits.header_fields_max = 3;
    const auto status = [&](std::string_view text) {
        RequestReader reader(limits);
        Feeder feeder(reader, text, 64);
        const Step step = feeder.until_read([&] { return reader.read_head(); });
        return step == Step::failed ? reader.failure().status : 0;
    };
    const auto sized = [](std::size_t bytes) {
        const std::string front = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        return front + std::string(bytes - front.size() - 4, 'x') + "\r\n\r\n";
    };
    EXPECT_EQ(status(sized(299)), 0);
    EXPECT_EQ(status(sized(300)), 0);
    EXPECT_EQ(status(sized(301)), 431);
    const auto targeted = [](std::size_t bytes) {
        return fmt::format("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", std::string(bytes - 1, 't'));
    };
    EXPECT_EQ(status(targeted(99)), 0);
    EXPECT_EQ(status(targeted(100)), 0);
    EXPECT_EQ(status(targeted(101)), 414);
    EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\n\r\n"), 0);
    EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\nD:\r\n\r\n"), 431);
}

TEST(RequestReader, RefusesABodyByWhatItSaysOfItself) {
    HttpLimits limits;
    const auto begins = [&](std::string_view length, std::size_t max) {
        RequestReader reader(limits);
        const std::string text =
            fmt::format("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", length);
        Feeder feeder(reader, text, 1000);
        EXPECT_EQ(feeder.until_read([&] { return reader.read_head(); }), Step::done);
        return reader.begin_body(max) == Step::done;
    };
    EXPECT_TRUE(begins("9", 10));
    EXPECT_TRUE(begins("10", 10));
    EXPECT_FALSE(begins("11", 10));
    EXPECT_TRUE(begins("0000000000000000010", 10));
}

}  // namespace
}  // namespace loadstone::net::internal
