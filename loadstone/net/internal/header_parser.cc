#include "loadstone/net/internal/header_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>

#include "loadstone/net/internal/target.h"
#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

// RFC 9112 6.3: of Content-Length only digits are taken, one field of them.
bool is_number(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 19 && std::all_of(text.begin(), text.end(), is_digit);
}

std::optional<Method> method_of(http::verb verb) noexcept {
    switch (verb) {
        case http::verb::get: return Method::get;
        case http::verb::head: return Method::head;
        case http::verb::post: return Method::post;
        case http::verb::put: return Method::put;
        case http::verb::patch: return Method::patch;
        case http::verb::delete_: return Method::delete_;
        case http::verb::options: return Method::options;
        default: return std::nullopt;
    }
}

// Names that some or all versions of Beast do not know.
std::optional<KnownField> other_field(std::string_view name) noexcept {
    switch (name.size()) {
        case 12:
            return same_ignoring_case(name, "X-Request-Id") ? std::optional(KnownField::request_id)
                                                            : std::nullopt;
        case 14:
            return same_ignoring_case(name, "Sec-Fetch-Site")
                       ? std::optional(KnownField::sec_fetch_site)
                       : std::nullopt;
        case 15:
            return same_ignoring_case(name, "Idempotency-Key")
                       ? std::optional(KnownField::idempotency_key)
                       : std::nullopt;
        default: return std::nullopt;
    }
}

class Parser final : public http::basic_parser<true> {
public:
    Parser(const HttpLimits& limits, Head& head) : limits_(limits), head_(head) {
        header_limit(static_cast<std::uint32_t>(limits.header_bytes_max));
        body_limit(boost::none);  // the route's, later
    }

    // The input of the next put(), for offsets.
    void look_at(std::string_view input) noexcept { input_ = input; }
    const HttpFailure& failure() const noexcept { return failure_; }

private:
    void fail(error_code& ec, int status, std::string detail) {
        failure_ = HttpFailure{status, std::move(detail)};
        ec = http::error::bad_field;
    }
    Extent extent(std::string_view text) const noexcept {
        return {static_cast<std::uint32_t>(text.data() - input_.data()),
                static_cast<std::uint32_t>(text.size())};
    }
    // A folded value is in a buffer of Beast's, or behind a line break.
    bool is_folded(std::string_view name, std::string_view value) const noexcept {
        if (value.data() < input_.data() || value.data() > input_.data() + input_.size())
            return true;
        const char* const begin = name.data() + name.size();
        return std::find(begin, value.data(), '\r') != value.data();
    }
    void keep(KnownField field) noexcept {
        head_.known[static_cast<std::size_t>(field)] =
            static_cast<std::uint16_t>(head_.fields.size());
    }

    void on_request_impl(http::verb verb, BeastView name, BeastView target, int version,
                         error_code& ec) override {
        const auto method = method_of(verb);
        if (!method)
            return fail(ec, 501,
                        fmt::format("the method {} is not implemented",
                                    std::string_view(name.substr(0, 32))));
        if (target.size() > limits_.target_bytes_max) {
            return fail(ec, 414,
                        fmt::format("the request target has {} bytes, at most {} are allowed",
                                    target.size(), limits_.target_bytes_max));
        }
        head_.method = *method;
        head_.version = version;
        head_.target = extent(target);
    }

    void on_field_impl(http::field id, BeastView name_text, BeastView value_text,
                       error_code& ec) override {
        const std::string_view name = name_text;
        const std::string_view value = value_text;
        if (head_.fields.size() == limits_.header_fields_max) {
            return fail(ec, 431,
                        fmt::format("the request has more than {} header fields",
                                    limits_.header_fields_max));
        }
        if (is_folded(name, value))
            return fail(ec, 400, "a header field is folded over several lines");
        head_.fields.push_back({extent(name), extent(value)});
        switch (id) {
            case http::field::host: return once(KnownField::host, name, ec);
            case http::field::cookie: return once(KnownField::cookie, name, ec);
            case http::field::content_type: return once(KnownField::content_type, name, ec);
            case http::field::origin: return once(KnownField::origin, name, ec);
            case http::field::accept_encoding:
                if (!head_.has(KnownField::accept_encoding)) keep(KnownField::accept_encoding);
                return;
            case http::field::content_length: return on_content_length(value, ec);
            case http::field::transfer_encoding: return on_transfer_encoding(value, ec);
            case http::field::expect:
                if (!same_ignoring_case(value, "100-continue")) {
                    return fail(ec, 417, "the only expectation that is met is 100-continue");
                }
                head_.expects_continue = true;
                return;
            default:
                if (const auto field = other_field(name)) once(*field, name, ec);
                return;
        }
    }

    void once(KnownField field, std::string_view name, error_code& ec) {
        if (head_.has(field))
            return fail(ec, 400, fmt::format("the header field {} comes twice", name));
        keep(field);
    }
    void on_content_length(std::string_view value, error_code& ec) {
        if (head_.content_length)
            return fail(ec, 400, "the header field Content-Length comes twice");
        if (!is_number(value))
            return fail(ec, 400, "Content-Length is not a number of at most 19 digits");
        std::uint64_t number = 0;
        for (const char c : value) number = number * 10 + static_cast<std::uint64_t>(c - '0');
        head_.content_length = number;
    }
    void on_transfer_encoding(std::string_view value, error_code& ec) {
        if (head_.is_chunked)
            return fail(ec, 400, "the header field Transfer-Encoding comes twice");
        if (!same_ignoring_case(value, "chunked")) {
            return fail(ec, 501, "the only transfer coding that is implemented is chunked");
        }
        // RFC 9112 6.1: its framing cannot be trusted.
        if (head_.version == 10) return fail(ec, 400, "Transfer-Encoding in an HTTP/1.0 request");
        head_.is_chunked = true;
    }

    void on_header_impl(error_code& ec) override {
        head_.keep_alive = keep_alive();
        if (head_.has(KnownField::host)) {
            const FieldExtent& host =
                head_.fields[head_.known[static_cast<std::size_t>(KnownField::host)] - 1u];
            if (!is_authority(host.value.in(input_.data())))
                fail(ec, 400, "the Host field is not a host");
        } else if (head_.version == 11) {
            fail(ec, 400, "the request has no Host field");
        }
        if (head_.version == 10) head_.expects_continue = false;  // RFC 9110 10.1.1
    }

    // Requests have no status line; bodies are not given to this parser.
    void on_response_impl(int, BeastView, int, error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(BeastView, error_code&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, BeastView, error_code&) override { return 0; }
    void on_finish_impl(error_code&) override {}

    const HttpLimits& limits_;
    Head& head_;
    std::string_view input_;
    HttpFailure failure_;
};

// Is the version of this request line well formed, only not one of ours? "PRI * HTTP/2.0" is.
bool is_other_version(std::string_view input) noexcept {
    const std::string_view line = input.substr(0, input.find('\r'));
    const auto space = line.rfind(' ');
    if (space == std::string_view::npos) return false;
    const std::string_view version = line.substr(space + 1);
    return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
           version[6] == '.' && is_digit(version[7]) && version != "HTTP/1.1" &&
           version != "HTTP/1.0";
}

HttpFailure failure_of(const error_code& ec, std::string_view input, const HttpLimits& limits) {
    if (ec == http::error::bad_version && is_other_version(input)) {
        return {505, "the HTTP versions of this server are 1.1 and 1.0"};
    }
    if (ec == http::error::header_limit) {
        if (input.find('\n') == std::string_view::npos) {
            return {414, fmt::format("the request line is longer than {} bytes",
                                     limits.header_bytes_max)};
        }
        return {431,
                fmt::format("the request header is longer than {} bytes", limits.header_bytes_max)};
    }
    if (ec == http::error::bad_method)
        return {400, "the request line does not begin with a method"};
    if (ec == http::error::bad_target)
        return {400, "the request target has a character that it cannot have"};
    if (ec == http::error::bad_version)
        return {400, "the request line does not end with an HTTP version"};
    if (ec == http::error::bad_field) return {400, "a header field has a name that is not a token"};
    if (ec == http::error::bad_value)
        return {400, "a header field has a character that it cannot have"};
    if (ec == http::error::bad_line_ending) return {400, "a line ends with CR without LF"};
    if (ec == http::error::bad_content_length || ec == http::error::multiple_content_length) {
        return {400, "Content-Length is not one number, or comes with Transfer-Encoding"};
    }
    if (ec == http::error::bad_transfer_encoding) {
        return {400, "Transfer-Encoding comes twice, or with Content-Length"};
    }
    return {400, "the request header is malformed"};
}

}  // namespace

struct HeaderParser::Impl {
    explicit Impl(const HttpLimits& http_limits) : limits(http_limits) {}

    const HttpLimits& limits;
    Head head;
    std::optional<Parser> parser;
    std::size_t parsed = 0;
    HttpFailure failure;

    Step fail(HttpFailure why) {
        failure = std::move(why);
        return Step::failed;
    }
};

HeaderParser::HeaderParser(const HttpLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HeaderParser::~HeaderParser() = default;

const Head& HeaderParser::head() const noexcept { return impl_->head; }
const HttpFailure& HeaderParser::failure() const noexcept { return impl_->failure; }

void HeaderParser::start() {
    Head& head = impl_->head;
    head.fields.clear();
    head.known = {};
    head.content_length.reset();
    head.is_chunked = false;
    head.expects_continue = false;
    impl_->parser.emplace(impl_->limits, head);
    impl_->parsed = 0;
    impl_->failure = {};
}

HeaderParser::Step HeaderParser::feed(std::string_view input) {
    Impl& impl = *impl_;
    Parser& parser = *impl.parser;
    parser.look_at(input);
    error_code ec;
    const std::string_view rest = input.substr(impl.parsed);
    impl.parsed += parser.put(boost::asio::buffer(rest), ec);
    if (parser.failure()) return impl.fail(parser.failure());
    const bool is_over =
        impl.parsed > impl.limits.header_bytes_max ||
        (ec == http::error::need_more && input.size() > impl.limits.header_bytes_max);
    if (is_over) ec = http::error::header_limit;
    if (ec == http::error::need_more) return Step::need_more;
    if (ec) return impl.fail(failure_of(ec, input, impl.limits));
    impl.head.bytes = impl.parsed;
    return Step::done;
}

}  // namespace loadstone::net::internal
