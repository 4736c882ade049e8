#include "loadstone/net/response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "loadstone/net/internal/field_rules.h"
#include "loadstone/net/internal/gzip.h"
#include "loadstone/net/internal/response_head.h"

namespace loadstone::net {

using testing::HasSubstr;
using testing::Not;

namespace {

TEST(Response, ProblemsHaveTheMembersOfRfc9457) {
    const Error error = Error(Errc::already_exists, "the address is \"taken\"").with_field("email");
    const Response response = problem(error, "id-1");
    EXPECT_EQ(response.status, 409);
    EXPECT_EQ(response.content_type, "application/problem+json");
    EXPECT_EQ(
        response.body,
        R"({"type":"about:blank","title":"Conflict","status":409,"detail":"the address is \"taken\"",)"
        R"("field":"email","errors":[{"field":"email","message":"the address is \"taken\""}],"request_id":"id-1"})");
    EXPECT_EQ(problem(404, "Not Found", "", "id-2").body,
              R"({"type":"about:blank","title":"Not Found","status":404,"request_id":"id-2"})");
}

TEST(Response, TellsWhenToComeBackInWholeSeconds) {
    const auto retry_after = [](std::chrono::milliseconds wait) {
        return problem(Error(Errc::unavailable, "full").with_retry_after(wait), "id")
            .headers.at(0)
            .second;
    };
    EXPECT_EQ(retry_after(std::chrono::milliseconds(0)), "1");
    EXPECT_EQ(retry_after(std::chrono::milliseconds(1)), "1");
    EXPECT_EQ(retry_after(std::chrono::milliseconds(1001)), "2");
    EXPECT_EQ(problem(Error(Errc::unavailable, "full"), "id").headers.at(0).second, "1");
    EXPECT_TRUE(problem(Error(Errc::not_found, "x"), "id").headers.empty());
}

TEST(Response, IsNotSendableIfItCouldBreakOutOfItsLines) {
    const auto is_sendable = [](std::string name, std::string value) {
        return internal::is_sendable(Response().set_header(std::move(name), std::move(value)));
    };
    EXPECT_TRUE(is_sendable("Location", "/a b\t\xc3\xa4"));
    for (const std::string_view value : {"a\r\nb", "a\nb", "a\rb", "a\x01", "a\x7f"}) {
        EXPECT_FALSE(is_sendable("Location", std::string(value)));
    }
    for (const std::string_view name :
         {"", "a b", "a:", "a\r\n", "Content-Length", "transfer-encoding", "Connection"}) {
        EXPECT_FALSE(is_sendable(std::string(name), "x")) << name;
    }
    for (const int status : {0, 100, 199, 600}) {
        Response response;
        response.status = status;
        EXPECT_FALSE(internal::is_sendable(response)) << status;
    }
}

TEST(Response, HeadLeavesToTheHandlerWhatItHasSet) {
    internal::Envelope envelope;
    envelope.request_id = "id";
    std::string head;
    internal::append_head(head, Response().set_header("cache-control", "max-age=5"), envelope);
    EXPECT_THAT(head, Not(HasSubstr("no-store")));
    EXPECT_THAT(head, HasSubstr("cache-control: max-age=5\r\n"));
    head.clear();
    internal::append_head(head, no_content(), envelope);
    EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
    EXPECT_THAT(head, Not(HasSubstr("Content-Type:")));
}

TEST(Gzip, GivesBackTheTextWhenItIsExpanded) {
    internal::Gzip gzip;
    for (const std::size_t size : {100u, 5000u, 2'000'000u}) {
        std::string text;
        while (text.size() < size) text += "line " + std::to_string(text.size() % 97) + "\n";
        std::string compressed;
        ASSERT_TRUE(gzip.compress(text, compressed));
        EXPECT_LT(compressed.size(), text.size());
        std::string expanded(text.size() + 1, '\0');
        z_stream stream{};
        ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
        stream.next_in = reinterpret_cast<Bytef*>(compressed.data());
        stream.avail_in = static_cast<uInt>(compressed.size());
        stream.next_out = reinterpret_cast<Bytef*>(expanded.data());
        stream.avail_out = static_cast<uInt>(expanded.size());
        EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
        expanded.resize(stream.total_out);
        inflateEnd(&stream);
        EXPECT_TRUE(expanded == text);
    }
    std::string compressed;
    EXPECT_FALSE(gzip.compress("tiny", compressed)) << "it would grow";
}

TEST(FieldRules, ReadIdempotencyKeys) {
    EXPECT_EQ(internal::idempotency_key(R"("a\"b\\c")"), "a\"b\\c");
    EXPECT_EQ(internal::idempotency_key("8e03978e-40d5-43dd-bc93-6894a57f9324"),
              "8e03978e-40d5-43dd-bc93-6894a57f9324");
    for (const std::string_view field :
         {"", "\"", "\"\"", R"("a"b")", R"("a\")", R"("a\b")", "a b", "\t"}) {
        EXPECT_FALSE(internal::idempotency_key(field)) << field;
    }
}

}  // namespace
}  // namespace loadstone::net
