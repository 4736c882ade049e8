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

void routes(Routes& routes) {
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
