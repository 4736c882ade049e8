// What is malformed, ambiguous or too large, over raw sockets: the status, that it is a problem
// with a request id, and that the connection ends where the rest of the input has no meaning.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/test_server.h"

namespace loadstone::net {

using internal::body_of;
using internal::field_of;
using internal::RawClient;
using internal::status_of_response;
using internal::TestServer;
using internal::wait_until;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

namespace {

using namespace std::string_literals;

Task<Response> echo(Context&, const Request& request) {
    std::string text(request.body());
    co_return text_response(std::move(text));
}

Task<Response> path(Context&, const Request& request) {
    std::string text(request.path());
    co_return text_response(std::move(text));
}

void declare(Routes& routes) {
    routes.get("/", path).open_to_all();
    routes.get("/a/b", path).open_to_all();
    routes.get("/items/{item}", path).open_to_all();
    routes.post("/echo", echo).open_to_all().body_max(1000);
}

HttpOptions short_limits() {
    HttpOptions options;
    options.limits.header_bytes_max = 2048;
    options.limits.target_bytes_max = 512;
    options.limits.header_fields_max = 10;
    options.limits.header_timeout = std::chrono::milliseconds(300);
    options.limits.body_timeout = std::chrono::milliseconds(300);
    options.limits.idle_timeout = std::chrono::milliseconds(300);
    options.limits.write_timeout = std::chrono::milliseconds(300);
    return options;
}

struct Case {
    const char* name;
    std::string request;
    int status;
};

std::string get(std::string_view target) {
    return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", target);
}
std::string with(std::string_view fields) {
    return fmt::format("GET /a/b HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", fields);
}
std::string post(std::string_view fields, std::string_view body = {}) {
    return fmt::format("POST /echo HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n{}", fields, body);
}
std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked", body); }

class Refuses : public testing::TestWithParam<Case> {};

TEST_P(Refuses, AndCloses) {
    TestServer server(declare, short_limits());
    RawClient client = server.connect();
    // A pipelined request must never be answered after a refused one.
    client.send(GetParam().request + get("/a/b"));
    const std::string all = client.receive_all();
    EXPECT_EQ(status_of_response(all), GetParam().status) << all;
    EXPECT_EQ(all.find("HTTP/1.1 ", 1), std::string::npos) << all;
    EXPECT_EQ(field_of(all, "Connection"), "close");
    EXPECT_EQ(field_of(all, "Content-Type"), "application/problem+json");
    const std::string id = field_of(all, "X-Request-Id");
    EXPECT_THAT(body_of(all), HasSubstr(fmt::format(R"("request_id":"{}")", id)));
    EXPECT_THAT(body_of(all), HasSubstr(fmt::format(R"("status":{})", GetParam().status)));
}

const std::vector<Case> framing{
    {"LengthAndCoding", post("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400},
    {"CodingAndLength", post("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"), 400},
    {"TwoLengths", post("Content-Length: 3\r\nContent-Length: 4", "abc"), 400},
    {"TwoEqualLengths", post("Content-Length: 3\r\nContent-Length: 3", "abc"), 400},
    {"ListOfLengths", post("Content-Length: 3, 3", "abc"), 400},
    {"SignedLength", post("Content-Length: +3", "abc"), 400},
    {"NegativeLength", post("Content-Length: -3", "abc"), 400},
    {"HexadecimalLength", post("Content-Length: 0x3", "abc"), 400},
    {"EmptyLength", post("Content-Length:", "abc"), 400},
    {"LengthWithSpace", post("Content-Length: 3 3", "abc"), 400},
    {"LengthAbove64Bits", post("Content-Length: 18446744073709551616"), 400},
    {"HugeLength", post("Content-Length: 9999999999999999999"), 413},
    {"LengthAboveLimit", post("Content-Length: 1001"), 413},
    {"CodingGzip", post("Transfer-Encoding: gzip"), 501},
    {"CodingGzipChunked", post("Transfer-Encoding: gzip, chunked"), 501},
    {"CodingChunkedTwice", post("Transfer-Encoding: chunked, chunked"), 501},
    {"CodingChunkedWithParameter", post("Transfer-Encoding: chunked;x=1"), 501},
    {"CodingXchunked", post("Transfer-Encoding: xchunked"), 501},
    {"CodingIdentity", post("Transfer-Encoding: identity"), 501},
    {"CodingEmpty", post("Transfer-Encoding:"), 501},
    {"CodingTwoFields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
    {"CodingIn10", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"ChunkSizeIsNoNumber", chunked("g\r\n"), 400},
    {"ChunkSizeIsEmpty", chunked("\r\n"), 400},
    {"ChunkSizeIsSigned", chunked("+3\r\nabc\r\n0\r\n\r\n"), 400},
    {"ChunkSizeHas0x", chunked("0x3\r\nabc\r\n0\r\n\r\n"), 400},
    {"ChunkSizeWithSpace", chunked("3 \r\nabc\r\n0\r\n\r\n"), 400},
    {"ChunkSizeTooLong", chunked("00000000000000003\r\nabc\r\n"), 400},
    {"ChunkSizeHuge", chunked("ffffffffffffffff\r\nabc"), 413},
    {"ChunkSizeBareLf", chunked("3\nabc\r\n0\r\n\r\n"), 400},
    {"ChunkLongerThanSize", chunked("3\r\nabcd\r\n0\r\n\r\n"), 400},
    {"ChunkBareLfBehind", chunked("3\r\nabc\n0\r\n\r\n"), 400},
    {"ChunkExtensionTooLong", chunked("3;" + std::string(5000, 'x')), 400},
    {"ChunkExtensionBareLf", chunked("3;a=\"\n\"\r\nabc\r\n0\r\n\r\n"), 400},
    {"ChunksAboveLimit", chunked("3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\n"), 413},
    {"TrailersTooLong", chunked("0\r\nx: " + std::string(5000, 'x')), 431},
    {"TrailerWithSpaceInName", chunked("0\r\nx y: z\r\n\r\n"), 400},
    {"TrailerBareLf", chunked("0\r\nx: z\n\r\n"), 400},
};

const std::vector<Case> header{
    {"BareLfLines", "GET /a/b HTTP/1.1\nHost: h\n\n", 400},
    {"BareLfInField", with("X: a\nY: b"), 400},
    {"BareCrInField", with("X: a\rb"), 400},
    {"BareCrInLine", "GET /a/b HTTP/1.1\rHost: h\r\n\r\n", 400},
    {"NulInValue", with("X: a\0b"s), 400},
    {"NulInName", with("X\0Y: b"s), 400},
    {"NulInTarget", get("/a/\0b"s), 400},
    {"ControlInValue", with("X: a\x01"), 400},
    {"DelInValue", with("X: a\x7f"), 400},
    {"SpaceBeforeColon", with("X : a"), 400},
    {"TabBeforeColon", with("X\t: a"), 400},
    {"SpaceBeforeFirstField", "GET /a/b HTTP/1.1\r\n Host: h\r\n\r\n", 400},
    {"EmptyName", with(": a"), 400},
    {"NoColon", with("X"), 400},
    {"FoldedValue", with("X: a\r\n b"), 400},
    {"FoldedEmptyValue", with("X:\r\n b"), 400},
    {"FoldedToNothing", with("X: a\r\n \t"), 400},
    {"NoHost", "GET /a/b HTTP/1.1\r\n\r\n", 400},
    {"TwoHosts", with("Host: h"), 400},
    {"EmptyHost", "GET /a/b HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"HostWithPath", "GET /a/b HTTP/1.1\r\nHost: h/x\r\n\r\n", 400},
    {"HostWithUser", "GET /a/b HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
    {"HostList", "GET /a/b HTTP/1.1\r\nHost: h, i\r\n\r\n", 400},
    {"TwoCookies", with("Cookie: a=b\r\nCookie: c=d"), 400},
    {"TwoOrigins", with("Origin: http://h\r\nOrigin: http://i"), 400},
    {"OtherExpectation", post("Expect: 200-ok\r\nContent-Length: 3", "abc"), 417},
    {"TooManyFields",
     with("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\nH: 8\r\nI: 9\r\nJ: 10"), 431},
    {"HeaderTooLong", with("X: " + std::string(2048, 'x')), 431},
    {"HeaderEndless", "GET /a/b HTTP/1.1\r\nHost: h\r\nX: " + std::string(5000, 'x'), 431},
    {"TargetTooLong", get("/" + std::string(512, 'x')), 414},
    {"LineEndless", "GET /" + std::string(5000, 'x'), 414},
};

const std::vector<Case> line{
    {"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"Version12", "GET /a/b HTTP/1.2\r\nHost: h\r\n\r\n", 505},
    {"Version09", "GET /a/b HTTP/0.9\r\nHost: h\r\n\r\n", 505},
    {"VersionLess", "GET /a/b\r\n\r\n", 400},
    {"VersionLowerCase", "GET /a/b http/1.1\r\nHost: h\r\n\r\n", 400},
    {"VersionGarbage", "GET /a/b HTTP/1.1x\r\nHost: h\r\n\r\n", 400},
    {"TwoSpaces", "GET  /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"SpaceFirst", " GET /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"TwoEmptyLines", "\r\n\r\nGET /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"TlsHello", "\x16\x03\x01\x02"s + std::string(60, '\0'), 400},
    {"UnknownMethod", "BREW /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"LowerCaseMethod", "get /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"Trace", "TRACE /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"Connect", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"AsteriskWithGet", get("*"), 400},
    {"RelativeTarget", get("a/b"), 400},
    {"OtherScheme", get("ftp://h/a/b"), 400},
    {"OtherConnectionsScheme", get("https://h/a/b"), 421},
    {"AbsoluteFormOfOtherHost", get("http://i/a/b"), 400},
    {"AbsoluteFormWithUser", get("http://u@h/a/b"), 400},
    {"AbsoluteFormWithoutHost", get("http:///a/b"), 400},
    {"Fragment", get("/a/b#c"), 400},
    {"Backslash", get("/a\\b"), 400},
    {"NotAscii", get("/a/\xc3\xa4"), 400},
    {"DotSegment", get("/a/./b"), 400},
    {"DotDotSegment", get("/x/../a/b"), 400},
    {"DotDotAtEnd", get("/a/b/.."), 400},
    {"EncodedDotDot", get("/x/%2e%2E/a/b"), 400},
    {"EncodedNul", get("/a/b%00"), 400},
    {"EncodedLf", get("/a/b%0a"), 400},
    {"BadEncoding", get("/a/%zz"), 400},
    {"CutEncoding", get("/a/b%2"), 400},
    {"NotUtf8", get("/a/%ff"), 400},
};

std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Framing, Refuses, testing::ValuesIn(framing), case_name);
INSTANTIATE_TEST_SUITE_P(Header, Refuses, testing::ValuesIn(header), case_name);
INSTANTIATE_TEST_SUITE_P(Line, Refuses, testing::ValuesIn(line), case_name);

class Accepts : public testing::TestWithParam<Case> {};

TEST_P(Accepts, AndGoesOn) {
    TestServer server(declare, short_limits());
    RawClient client = server.connect();
    client.send(GetParam().request + get("/a/b"));
    const std::string response = client.receive();
    EXPECT_EQ(status_of_response(response), GetParam().status) << response;
    EXPECT_EQ(field_of(response, "Connection"), "");
    EXPECT_EQ(body_of(client.receive()), "/a/b");
}

const std::vector<Case> accepted{
    {"EmptyLineBefore", "\r\n" + get("/a/b"), 200},
    {"AbsoluteForm", get("http://h/a/b"), 200},
    {"AbsoluteFormWithPort", get("HTTP://H:80/a/b"), 200},
    {"AbsoluteFormWithoutPath", get("http://h?x"), 200},
    {"HostWithPort", "GET /a/b HTTP/1.1\r\nHost: h:8080\r\n\r\n", 200},
    {"HostIsIpv6", "GET /a/b HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
    {"NoSpaceInField", "GET /a/b HTTP/1.1\r\nhost:h\r\n\r\n", 200},
    {"TabsAroundValue", with("X:\t a\tb \t"), 200},
    {"EmptyValue", with("X:"), 200},
    {"Utf8Value", with("X: \xc3\xa4"), 200},
    {"TargetAtLimit", get("/" + std::string(511, 'x')), 404},
    {"BodyAtLimit", post("Content-Length: 1000", std::string(1000, 'x')), 200},
    {"EmptyBody", post("Content-Length: 0"), 200},
    {"ChunksAtLimit",
     chunked("3E7;a=b\r\n" + std::string(999, 'x') + "\r\n01\r\nx\r\n000\r\nX: y\r\n\r\n"), 200},
    {"CodingInUpperCase", post("Transfer-Encoding: CHUNKED", "0\r\n\r\n"), 200},
    {"UnwantedBodyOfOtherRoute", "PUT /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
     404},
    {"UnwantedChunks",
     "PUT /nothing HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 404},
    {"BodyOfGet", "GET /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 200},
    {"EncodedSlashIsNoSegment", get("/a%2Fb"), 404},
    {"EncodedPath", get("/%61/b"), 200},
    {"DotsInSegment", get("/items/...a"), 200},
    {"DoubleSlash", get("//a/b"), 404},
    {"DoubleSlashInside", get("/a//b"), 404},
    {"SlashAtEnd", get("/a/b/"), 404},
    {"EmptyParameter", get("/items/"), 404},
    {"OptionsAsterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 204},
    {"Options", "OPTIONS /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 204},
    {"WrongMethod", "DELETE /a/b HTTP/1.1\r\nHost: h\r\n\r\n", 405},
};
INSTANTIATE_TEST_SUITE_P(Http, Accepts, testing::ValuesIn(accepted), case_name);

}  // namespace
}  // namespace loadstone::net
