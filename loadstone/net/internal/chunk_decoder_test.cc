#include "loadstone/net/internal/chunk_decoder.h"

#include <gtest/gtest.h>

namespace loadstone::net::internal {
namespace {

using Step = ChunkDecoder::Step;

TEST(ChunkDecoder, ReadsTheSameHoweverItIsCut) {
    constexpr std::string_view text =
        "5;a=\"b;c\"\r\nhello\r\n00B\r\n, wide worl\r\n1\r\nd\r\n0;x\r\nA: b\r\nC:\r\n\r\nGET";
    for (std::size_t first = 0; first <= text.size(); ++first) {
        for (std::size_t second = first; second <= text.size(); ++second) {
            ChunkDecoder decoder;
            decoder.start(17);
            ByteBuffer body;
            std::size_t total = 0;
            Step step = Step::need_more;
            for (const std::string_view part :
                 {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
                if (step != Step::need_more) break;
                std::size_t used = 0;
                step = decoder.feed(part, used, body);
                total += used;
            }
            ASSERT_EQ(step, Step::done) << first << ' ' << second;
            ASSERT_EQ(body.view(), "hello, wide world");
            ASSERT_EQ(total, text.size() - 3);
        }
    }
}

TEST(ChunkDecoder, HoldsTheLimitOfTheBody) {
    const auto status = [](std::string_view text, std::size_t max) {
        ChunkDecoder decoder;
        decoder.start(max);
        ByteBuffer body;
        std::size_t used = 0;
        static_cast<void>(decoder.feed(text, used, body));
        EXPECT_LE(body.size(), max);
        return decoder.failure().status;
    };
    EXPECT_EQ(status("3\r\nabc\r\n0\r\n\r\n", 3), 0);
    EXPECT_EQ(status("3\r\nabc\r\n0\r\n\r\n", 2), 413);
    EXPECT_EQ(status("2\r\nab\r\n1\r\n", 2), 413);
    EXPECT_EQ(status("ffffffffffffffff\r\n", 1000), 413);
    EXPECT_EQ(status("0\r\n\r\n", 0), 0);
}

TEST(ChunkDecoder, BoundsExtensionsAndTrailers) {
    const auto status = [](const std::string& text) {
        ChunkDecoder decoder;
        decoder.start(100);
        ByteBuffer body;
        std::size_t used = 0;
        static_cast<void>(decoder.feed(text, used, body));
        return decoder.failure().status;
    };
    const std::string longest(ChunkDecoder::extension_bytes_max - 1, 'x');
    EXPECT_EQ(status("1;" + longest + "\r\na\r\n0\r\n\r\n"), 0);
    EXPECT_EQ(status("1;" + longest + "y\r\na\r\n0\r\n\r\n"), 400);
    const std::string trailer(ChunkDecoder::trailer_bytes_max - 5,
                              'x');  // "a:", CRLF and the last CR
    EXPECT_EQ(status("0\r\na:" + trailer + "\r\n\r\n"), 0);
    EXPECT_EQ(status("0\r\na:" + trailer + "y\r\n\r\n"), 431);
}

}  // namespace
}  // namespace loadstone::net::internal
