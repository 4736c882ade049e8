#include "loadstone/analytics/clickhouse/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace loadstone::analytics::clickhouse {

using std::chrono::milliseconds;

namespace {

constexpr std::size_t idle_max = 8;
constexpr std::size_t message_bytes_max = 400;
constexpr milliseconds connect_timeout{5'000};
constexpr std::int64_t megabyte = 1'000'000;
// Rows of a block of an answer, which is read whole.
constexpr int block_rows = 8'192;
constexpr int server_buffer_bytes = 1 << 20;  // of an answer that is not whole; beyond: its disk

struct Fault {
    int code;
    Errc errc;
    const char* name;
};
constexpr Fault faults[] = {
    {36, Errc::invalid_argument, "BAD_ARGUMENTS"},
    {42, Errc::invalid_argument, "NUMBER_OF_ARGUMENTS_DOESNT_MATCH"},
    {43, Errc::invalid_argument, "ILLEGAL_TYPE_OF_ARGUMENT"},
    {46, Errc::invalid_argument, "UNKNOWN_FUNCTION"},
    {47, Errc::invalid_argument, "UNKNOWN_IDENTIFIER"},
    {53, Errc::invalid_argument, "TYPE_MISMATCH"},
    {60, Errc::invalid_argument, "UNKNOWN_TABLE"},
    {62, Errc::invalid_argument, "SYNTAX_ERROR"},
    {73, Errc::invalid_argument, "UNKNOWN_FORMAT"},
    {81, Errc::unavailable, "UNKNOWN_DATABASE"},
    {158, Errc::resource_exhausted, "TOO_MANY_ROWS"},
    {159, Errc::deadline_exceeded, "TIMEOUT_EXCEEDED"},
    {160, Errc::deadline_exceeded, "TOO_SLOW"},
    {164, Errc::invalid_argument, "READONLY"},
    {184, Errc::invalid_argument, "ILLEGAL_AGGREGATION"},
    {192, Errc::unavailable, "UNKNOWN_USER"},
    {193, Errc::unavailable, "WRONG_PASSWORD"},
    {194, Errc::unavailable, "REQUIRED_PASSWORD"},
    {195, Errc::unavailable, "IP_ADDRESS_NOT_ALLOWED"},
    {202, Errc::unavailable, "TOO_MANY_SIMULTANEOUS_QUERIES"},
    {215, Errc::invalid_argument, "NOT_AN_AGGREGATE"},
    {241, Errc::resource_exhausted, "MEMORY_LIMIT_EXCEEDED"},
    {242, Errc::unavailable, "TABLE_IS_READ_ONLY"},
    {243, Errc::unavailable, "NOT_ENOUGH_SPACE"},
    {252, Errc::unavailable, "TOO_MANY_PARTS"},
    {291, Errc::unavailable, "DATABASE_ACCESS_DENIED"},
    {307, Errc::resource_exhausted, "TOO_MANY_BYTES"},
    {344, Errc::invalid_argument, "SUPPORT_IS_DISABLED"},
    {358, Errc::invalid_argument, "INTO_OUTFILE_NOT_ALLOWED"},
    {386, Errc::invalid_argument, "NO_COMMON_TYPE"},
    {394, Errc::cancelled, "QUERY_WAS_CANCELLED"},
    {396, Errc::resource_exhausted, "TOO_MANY_ROWS_OR_BYTES"},
    {497, Errc::unavailable, "ACCESS_DENIED"},
    {516, Errc::unavailable, "AUTHENTICATION_FAILED"},
};

std::string_view behind(std::string_view text, std::string_view mark) {
    const auto at = text.find(mark);
    return at == std::string_view::npos ? text : text.substr(at + mark.size());
}

// "Code: 62, e.displayText() = DB::Exception: Syntax error ..., e.what() = DB::Exception" of 18.16,
// "Code: 62. DB::Exception: Syntax error ... (SYNTAX_ERROR) (version ..)" later.
std::string message_of(std::string_view refusal) {
    std::string_view text = behind(refusal, "DB::Exception: ");
    text = text.substr(0, text.rfind(", e.what() = "));
    std::string line;
    for (const char c : text.substr(0, message_bytes_max))
        line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    while (line.ends_with(' ')) line.pop_back();
    return line;
}

}  // namespace

Error error_of(int status, std::string_view refusal, bool tells_text) {
    int code = 0;
    const std::string_view digits = behind(refusal, "Code: ");
    std::from_chars(digits.data(), digits.data() + digits.size(), code);
    if (code == 0)  // not ClickHouse: a proxy before it
        return {status >= 500 ? Errc::unavailable : Errc::internal,
                fmt::format("ClickHouse: status {}", status)};
    const auto* const fault = std::ranges::find(faults, code, &Fault::code);
    const bool is_known = fault != std::end(faults);
    return {is_known ? fault->errc : Errc::internal,
            tells_text ? "ClickHouse: " + message_of(refusal)
                       : fmt::format("ClickHouse: error {}{}{}", code, is_known ? " " : "",
                                     is_known ? fault->name : "")};
}

std::int64_t number_of(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size())
        throw Error(Errc::data_loss, "ClickHouse: what should be a number is none");
    return value;
}

Client::Client(const Address& address) : address_(address) {}

Client::Connection Client::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            Connection connection = std::move(idle_.back());
            idle_.pop_back();
            return connection;
        }
    }
    outbound::HttpClientOptions options;
    options.connect_timeout = connect_timeout;
    return std::make_unique<outbound::HttpConnection>(options, &stopping_);
}

void Client::give_back(Connection connection) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < idle_max) idle_.push_back(std::move(connection));
}

void Client::post(outbound::HttpPost request, FunctionRef<void(std::string_view)> sink,
                  bool tells_text) {
    if (!address_.user.empty()) {
        request.headers.emplace_back("X-ClickHouse-User", address_.user);
        request.headers.emplace_back("X-ClickHouse-Key", address_.password);
    }
    Connection connection = take();
    const outbound::HttpAnswer answer = connection->post(request, sink);
    give_back(std::move(connection));
    if (answer.status != 200) throw Error(error_of(answer.status, answer.refusal, tells_text));
}

void Client::run(std::string_view statement, milliseconds timeout) {
    outbound::HttpPost request;
    request.url = address_.url;
    request.body = statement;
    request.timeout = timeout;
    auto ignore = [](std::string_view) {};
    post(std::move(request), ignore);
}

void Client::insert(std::string_view statement, std::string_view data, milliseconds timeout) {
    outbound::HttpPost request;
    request.url = address_.url + "&query=" + outbound::url_encoded(statement);
    request.body = data;
    request.timeout = timeout;
    request.is_sent_once = true;
    auto ignore = [](std::string_view) {};
    post(std::move(request), ignore);
}

Client::Table Client::table(std::string_view statement, milliseconds timeout) {
    const std::string text = fmt::format("{} FORMAT TabSeparated", statement);
    outbound::HttpPost request;
    request.url = address_.url + "&readonly=1&wait_end_of_query=1";
    request.body = text;
    request.timeout = timeout;
    std::string body;
    auto keep = [&](std::string_view bytes) { body += bytes; };
    post(std::move(request), keep);
    Table rows;
    std::string_view left = body;
    while (!left.empty()) {
        std::string_view line = left.substr(0, left.find('\n'));
        left.remove_prefix(std::min(left.size(), line.size() + 1));
        auto& row = rows.emplace_back();
        for (;;) {
            const auto tab = line.find('\t');
            row.emplace_back(line.substr(0, tab));
            if (tab == std::string_view::npos) break;
            line.remove_prefix(tab + 1);
        }
    }
    return rows;
}

void Client::ask(std::string_view statement, std::string_view format, const QuestionBounds& bounds,
                 FunctionRef<void(std::string_view)> sink) {
    // The format is the answer's, whatever else the statement says: it is parsed as one statement.
    const std::string text = fmt::format("{}\nFORMAT {}", statement, format);
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(bounds.timeout).count();
    outbound::HttpPost request;
    // The answer is whole, or an error: else an error would stand in the midst of it.
    request.url = fmt::format(
        "{}&wait_end_of_query=1&buffer_size={}&max_block_size={}&max_execution_time={}"
        "&max_result_rows={}&max_result_bytes={}&result_overflow_mode=throw&max_memory_usage={}"
        "&max_bytes_before_external_sort={}&max_threads={}&enable_optimize_predicate_expression=1"
        "&readonly=1",
        address_.url, server_buffer_bytes, block_rows, std::max<std::int64_t>(1, seconds),
        bounds.rows_max, bounds.bytes_max, bounds.memory_mb * megabyte,
        bounds.memory_mb * megabyte / 4, bounds.threads);  // a merge of what is sorted takes more
    request.body = text;
    request.timeout = bounds.timeout;
    post(std::move(request), sink, bounds.tells_text);
}

}  // namespace loadstone::analytics::clickhouse
