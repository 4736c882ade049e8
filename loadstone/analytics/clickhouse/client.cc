#include "loadstone/analytics/clickhouse/client.h"

#include <fmt/format.h>

#include <charconv>
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

Errc code_of(int code) {
    switch (code) {
        case 36:   // BAD_ARGUMENTS
        case 42:   // NUMBER_OF_ARGUMENTS_DOESNT_MATCH
        case 43:   // ILLEGAL_TYPE_OF_ARGUMENT
        case 46:   // UNKNOWN_FUNCTION
        case 47:   // UNKNOWN_IDENTIFIER
        case 53:   // TYPE_MISMATCH
        case 60:   // UNKNOWN_TABLE
        case 62:   // SYNTAX_ERROR
        case 73:   // UNKNOWN_FORMAT
        case 164:  // READONLY
        case 184:  // ILLEGAL_AGGREGATION
        case 215:  // NOT_AN_AGGREGATE
        case 344:  // SUPPORT_IS_DISABLED
        case 358:  // INTO_OUTFILE_NOT_ALLOWED
        case 386:  // NO_COMMON_TYPE
            return Errc::invalid_argument;
        case 158:  // TOO_MANY_ROWS
        case 241:  // MEMORY_LIMIT_EXCEEDED
        case 307:  // TOO_MANY_BYTES
        case 396:  // TOO_MANY_ROWS_OR_BYTES
            return Errc::resource_exhausted;
        case 159:  // TIMEOUT_EXCEEDED
        case 160:  // TOO_SLOW
            return Errc::deadline_exceeded;
        case 394: return Errc::cancelled;  // QUERY_WAS_CANCELLED
        case 81:                           // UNKNOWN_DATABASE
        case 192:                          // UNKNOWN_USER
        case 193:                          // WRONG_PASSWORD
        case 194:                          // REQUIRED_PASSWORD
        case 195:                          // IP_ADDRESS_NOT_ALLOWED
        case 202:                          // TOO_MANY_SIMULTANEOUS_QUERIES
        case 242:                          // TABLE_IS_READ_ONLY
        case 243:                          // NOT_ENOUGH_SPACE
        case 252:                          // TOO_MANY_PARTS
        case 291:                          // DATABASE_ACCESS_DENIED
        case 497:                          // ACCESS_DENIED
        case 516:                          // AUTHENTICATION_FAILED
            return Errc::unavailable;
        default: return Errc::internal;
    }
}

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

Error error_of(int status, std::string_view refusal) {
    int code = 0;
    const std::string_view digits = behind(refusal, "Code: ");
    std::from_chars(digits.data(), digits.data() + digits.size(), code);
    if (code == 0)  // not ClickHouse: a proxy before it
        return {status >= 500 ? Errc::unavailable : Errc::internal,
                fmt::format("ClickHouse: status {}", status)};
    return {code_of(code), "ClickHouse: " + message_of(refusal)};
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

void Client::post(outbound::HttpPost request, FunctionRef<void(std::string_view)> sink) {
    if (!address_.user.empty()) {
        request.headers.emplace_back("X-ClickHouse-User", address_.user);
        request.headers.emplace_back("X-ClickHouse-Key", address_.password);
    }
    Connection connection = take();
    const outbound::HttpAnswer answer = connection->post(request, sink);
    give_back(std::move(connection));
    if (answer.status != 200) throw Error(error_of(answer.status, answer.refusal));
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
        "&max_threads={}&enable_optimize_predicate_expression=1&readonly=1",
        address_.url, server_buffer_bytes, block_rows, std::max<std::int64_t>(1, seconds),
        bounds.rows_max, bounds.bytes_max, bounds.memory_mb * megabyte, bounds.threads);
    request.body = text;
    request.timeout = bounds.timeout;
    post(std::move(request), sink);
}

}  // namespace loadstone::analytics::clickhouse
