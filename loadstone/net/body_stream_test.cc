#include "loadstone/net/body_stream.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "loadstone/base/error.h"
#include "loadstone/net/internal/test_server.h"

namespace loadstone::net {
namespace {

using internal::body_of;
using internal::field_of;
using internal::status_of_response;
using internal::TestServer;

// Of this test program.
const std::string& folder() {
    static const std::string made = [] {
        char name[] = "/tmp/loadstone-body-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    return made;
}

std::string text_of(std::size_t bytes) {
    std::string text;
    text.reserve(bytes);
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + (i * 7 + i / 251) % 26);
    return text;
}

std::string file_of(const std::string& name, const std::string& text) {
    const std::string path = folder() + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
}

constexpr std::size_t large_bytes = 8 * 1024 * 1024 + 17;

Task<Response> large(Context&) {
    Response response;
    response.content_type = "text/csv";
    response.stream = file_body(folder() + "/large");
    co_return response;
}

Task<Response> empty(Context&) {
    Response response;
    response.stream = file_body(folder() + "/empty");
    co_return response;
}

Task<Response> missing(Context&) {
    Response response;
    response.stream = file_body(folder() + "/nothing");
    co_return response;
}

// Says more than it has.
class Short final : public BodyStream {
public:
    std::uint64_t size() const noexcept override { return 1'000'000; }
    Task<std::size_t> read(Context&, std::span<char> space) override {
        if (is_given_) throw Error(Errc::data_loss, "the rest is lost");
        is_given_ = true;
        space[0] = 'x';
        co_return 1;
    }

private:
    bool is_given_ = false;
};

Task<Response> broken(Context&) {
    Response response;
    response.stream = std::make_shared<Short>();
    co_return response;
}

// So many pieces of which it is not said how many they are; the last is followed by a failure, if
// it is to fail.
class Pieces final : public BodyStream {
public:
    Pieces(int count, bool fails) : left_(count), fails_(fails) {}
    std::uint64_t size() const noexcept override { return unknown; }
    Task<std::size_t> read(Context& context, std::span<char> space) override {
        EXPECT_EQ(context.module(), "test");
        if (left_ == 0 && fails_) throw Error(Errc::data_loss, "the rest is lost");
        if (left_ == 0) co_return 0;
        // Of each length that the digits of a chunk's size can have, up to all there is.
        const std::size_t bytes = left_ == 1 ? space.size() : std::size_t{1} << (left_ % 17);
        std::fill_n(space.begin(), bytes, static_cast<char>('a' + left_ % 26));
        --left_;
        co_return bytes;
    }
    static std::string all(int count) {
        std::string text;
        for (int left = count; left > 1; --left)
            text += std::string(std::size_t{1} << (left % 17), static_cast<char>('a' + left % 26));
        return text + std::string(64 * 1024, 'b');
    }

private:
    int left_;
    const bool fails_;
};

constexpr int piece_count = 40;

template <bool fails>
Task<Response> pieces(Context&) {
    Response response;
    response.content_type = "text/csv";
    response.stream = std::make_shared<Pieces>(piece_count, fails);
    co_return response;
}

// Pieces of growing size, the last of several reads' length.
class Growing final : public PieceStream {
public:
    static std::string piece(int number) {
        return std::string(std::size_t{1} << number, static_cast<char>('a' + number));
    }
    static constexpr int count = 20;

private:
    Task<void> next_piece(Context& context, std::string& text) override {
        EXPECT_TRUE(text.empty());
        EXPECT_TRUE(context.reading().is_heavy);
        EXPECT_LE(next_, count) << "asked again behind its end";
        if (next_ < count) text = piece(next_);
        ++next_;
        co_return;
    }

    int next_ = 0;
};

Task<Response> growing(Context&) {
    Response response;
    response.content_type = "text/csv";
    response.stream = std::make_shared<Growing>();
    co_return response;
}

// It never ends by itself.
class Endless final : public PieceStream {
    Task<void> next_piece(Context&, std::string& text) override {
        text.assign(64 * 1024, 'x');
        co_return;
    }
};

Task<Response> endless(Context&) {
    Response response;
    response.content_type = "text/csv";
    response.stream = std::make_shared<Endless>();
    co_return response;
}

template <std::size_t bytes>
Task<Response> built(Context&) {
    Response response;
    response.content_type = "text/csv";
    response.body = std::string(bytes, 'x');
    co_return response;
}

// RFC 9112 7.1.3. Empty, and a failure, if it does not end as it must.
std::string without_chunks(std::string_view text) {
    std::string whole;
    for (;;) {
        const auto line = text.find("\r\n");
        if (line == std::string_view::npos) break;
        const std::size_t size = std::stoul(std::string(text.substr(0, line)), nullptr, 16);
        text.remove_prefix(line + 2);
        if (text.size() < size + 2 || text.substr(size, 2) != "\r\n") break;
        if (size == 0) {
            EXPECT_EQ(text, "\r\n");
            return whole;
        }
        whole += text.substr(0, size);
        text.remove_prefix(size + 2);
    }
    ADD_FAILURE() << "chunks without an end, after " << whole.size() << " bytes";
    return {};
}

void routes(Routes& routes) {
    routes.get("/pieces", pieces<false>).open_to_all();
    routes.get("/pieces-broken", pieces<true>).open_to_all();
    routes.get("/fits", built<100'000>).open_to_all();
    routes.get("/too-large", built<100'001>).open_to_all();
    routes.get("/growing", growing).open_to_all().heavy_on_reads();
    routes.get("/endless", endless).open_to_all().heavy_on_reads();
    routes.get("/large", large).open_to_all();
    routes.get("/empty", empty).open_to_all();
    routes.get("/missing", missing).open_to_all();
    routes.get("/broken", broken).open_to_all();
}

struct BodyStreams : testing::Test {
    static void SetUpTestSuite() {
        file_of("large", text_of(large_bytes));
        file_of("empty", "");
    }
    static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }

    TestServer server{routes};
};

TEST_F(BodyStreams, SendsAFileByteForByteAndGoesOnWithTheConnection) {
    auto client = server.connect();
    client.send(
        "GET /large HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
        "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string answer = client.receive();
    EXPECT_EQ(status_of_response(answer), 200);
    EXPECT_EQ(field_of(answer, "Content-Length"), std::to_string(large_bytes));
    EXPECT_EQ(field_of(answer, "Content-Type"), "text/csv");
    EXPECT_EQ(field_of(answer, "Content-Encoding"), "");
    EXPECT_EQ(body_of(answer), text_of(large_bytes));
    const std::string next = client.receive();
    EXPECT_EQ(status_of_response(next), 200);
    EXPECT_EQ(field_of(next, "Content-Length"), "0");
}

TEST_F(BodyStreams, AnswersHeadWithTheSizeAlone) {
    auto client = server.connect();
    client.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(field_of(client.receive(true), "Content-Length"), std::to_string(large_bytes));
    client.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(status_of_response(client.receive()), 200);
}

TEST_F(BodyStreams, SaysThatAFileIsNotThere) {
    EXPECT_EQ(status_of_response(server.exchange("GET /missing HTTP/1.1\r\nHost: a\r\n\r\n")), 404);
}

TEST_F(BodyStreams, EndsTheConnectionWhenTheRestCannotBeRead) {
    auto client = server.connect();
    client.send("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string all = client.receive_all();
    EXPECT_EQ(status_of_response(all), 200);
    EXPECT_TRUE(all.ends_with("\r\n\r\nx")) << "one byte of a million, then the end";
}

TEST_F(BodyStreams, SendsChunksWhereTheSizeIsNotKnown) {
    auto client = server.connect();
    client.send("GET /pieces HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string all = client.receive_all();
    EXPECT_EQ(status_of_response(all), 200);
    EXPECT_EQ(field_of(all, "Transfer-Encoding"), "chunked");
    EXPECT_EQ(field_of(all, "Content-Length"), "");
    EXPECT_EQ(without_chunks(body_of(all)), Pieces::all(piece_count));
}

TEST_F(BodyStreams, GoesOnWithTheConnectionBehindChunks) {
    auto client = server.connect();
    client.send(
        "GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n"
        "HEAD /pieces HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /fits HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string all = client.receive_all();
    const auto second = all.find("0\r\n\r\nHTTP/1.1 200 OK\r\n");
    ASSERT_NE(second, std::string::npos);
    EXPECT_EQ(field_of(std::string_view(all).substr(second + 5), "Transfer-Encoding"), "chunked");
    EXPECT_TRUE(all.ends_with("\r\n\r\n" + std::string(100'000, 'x')));
}

TEST_F(BodyStreams, SendsUntilTheEndToAClientWithoutChunks) {
    auto client = server.connect();
    client.send("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const std::string all = client.receive_all();
    EXPECT_EQ(status_of_response(all), 200);
    EXPECT_EQ(field_of(all, "Transfer-Encoding"), "");
    EXPECT_EQ(field_of(all, "Content-Length"), "");
    EXPECT_EQ(body_of(all), Pieces::all(piece_count));
}

TEST_F(BodyStreams, LeavesOutTheLastChunkWhenTheRestCannotBeRead) {
    auto client = server.connect();
    client.send("GET /pieces-broken HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string all = client.receive_all();
    EXPECT_EQ(status_of_response(all), 200);
    EXPECT_TRUE(all.ends_with("bbbb\r\n")) << "the last piece, and no end";
}

TEST_F(BodyStreams, AnswerThatIsTooLargeToBeBuiltFails) {
    HttpOptions options;
    options.limits.response_bytes_max = 100'000;
    options.limits.gzip_bytes_min = 1'000'000;
    TestServer small(routes, options);
    auto client = small.connect();
    client.send("GET /fits HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(body_of(client.receive()).size(), 100'000U);
    client.send("GET /too-large HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string answer = client.receive();
    EXPECT_EQ(status_of_response(answer), 500);
    EXPECT_NE(body_of(answer).find("larger than the server builds in memory"), std::string::npos);
    EXPECT_EQ(small.counted("loadstone_http_responses_too_large_total"), 1U);
    client.send("GET /fits HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(status_of_response(client.receive()), 200);
}

TEST_F(BodyStreams, EndsAConnectionWhoseClientDoesNotReadOn) {
    HttpOptions options;
    options.limits.write_timeout = std::chrono::milliseconds(300);
    TestServer impatient(routes, options);
    auto client = impatient.connect();
    client.shrink_window();
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    const bool ended = internal::wait_until([&] {
        return impatient.counted("loadstone_http_limit_hits_total{limit=\"write_timeout\"}") == 1;
    });
    EXPECT_TRUE(ended);
    EXPECT_TRUE(internal::wait_until(
        [&] { return impatient.counted("loadstone_http_streams_broken_total") == 1; }));
}

TEST_F(BodyStreams, SendsAllPieces) {
    auto client = server.connect();
    client.send("GET /growing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    std::string expected;
    for (int number = 0; number < Growing::count; ++number) expected += Growing::piece(number);
    EXPECT_EQ(without_chunks(body_of(client.receive_all())), expected);
}

TEST_F(BodyStreams, BrokenOneIsCounted) {
    auto client = server.connect();
    client.send("GET /pieces-broken HTTP/1.0\r\n\r\n");
    EXPECT_FALSE(client.receive_all().empty());
    EXPECT_TRUE(internal::wait_until(
        [&] { return server.counted("loadstone_http_streams_broken_total") == 1; }));
}

struct HeavyStreams : BodyStreams {
    HeavyStreams() {
        admission::BulkheadOptions places;
        places.name = "heavy";
        places.concurrency_max = 1;
        places.queue_max = 0;
        heavy = std::make_unique<admission::Bulkhead>(places, registry);
    }
    static HttpOptions within(std::chrono::milliseconds all) {
        HttpOptions options;
        options.limits.stream_timeout = all;
        return options;
    }
    Bulkheads bulkheads() const { return {{heavy_bulkhead("test"), heavy.get()}}; }
    bool is_empty() const {
        return internal::wait_until([&] { return heavy->in_use() == 0; });
    }

    telemetry::Registry registry;
    std::unique_ptr<admission::Bulkhead> heavy;
};

TEST_F(HeavyStreams, OneKeepsItsPlaceUntilItHasEnded) {
    TestServer small(routes, {}, 1, {}, bulkheads());
    {
        auto client = small.connect();
        client.shrink_window();
        client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(internal::wait_until([&] { return heavy->in_use() == 1; }));
        const std::string refused = small.exchange("GET /growing HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(status_of_response(refused), 503);
        EXPECT_NE(field_of(refused, "Retry-After"), "");
        EXPECT_EQ(status_of_response(small.exchange("GET /fits HTTP/1.1\r\nHost: a\r\n\r\n")), 200);
    }
    EXPECT_TRUE(is_empty()) << "its client is gone";
    auto client = small.connect();
    client.send("HEAD /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(status_of_response(client.receive(true)), 200);
    EXPECT_TRUE(is_empty()) << "nothing is streamed";
}

TEST_F(HeavyStreams, OneThatTakesTooLongBreaksOff) {
    TestServer hasty(routes, within(std::chrono::milliseconds(200)), 1, {}, bulkheads());
    auto client = hasty.connect();
    client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string all = client.receive_all();
    EXPECT_EQ(status_of_response(all), 200);
    EXPECT_FALSE(all.ends_with("0\r\n\r\n")) << "that would be its end";
    EXPECT_TRUE(is_empty());
    EXPECT_EQ(hasty.counted("loadstone_http_limit_hits_total{limit=\"stream_timeout\"}"), 1U);
    EXPECT_EQ(hasty.counted("loadstone_http_streams_broken_total"), 1U);
}

TEST_F(BodyStreams, AClientThatGoesAwayHoldsNothingUp) {
    {
        auto client = server.connect();
        client.shrink_window();
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    EXPECT_EQ(status_of_response(server.exchange("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n")), 200);
}

}  // namespace
}  // namespace loadstone::net
