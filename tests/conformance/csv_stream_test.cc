// Rows as CSV over HTTP, page by page as the client takes them: the process does not grow, whether
// the client is fast, slow or goes away. 10,000,000 rows with LOADSTONE_FULL=1.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <fstream>

#include "loadstone/base/csv.h"
#include "loadstone/net/body_stream.h"
#include "loadstone/net/http_server.h"
#include "loadstone/net/route.h"
#include "loadstone/telemetry/thread_usage.h"
#include "tests/conformance/conformance.h"

namespace tests::conformance {

struct CsvRow {
    std::int64_t number = 0;
    std::string words;
};
BOOST_DESCRIBE_STRUCT(CsvRow, (), (number, words))

namespace {

namespace net = loadstone::net;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t page_rows = 1'000;
// Sanitizers keep freed memory for a while.
constexpr std::size_t growth_max =
    loadstone::telemetry::allocations_are_counted ? std::size_t{32} << 20 : std::size_t{600} << 20;

std::int64_t rows_of_test() {
    return std::getenv("LOADSTONE_FULL") != nullptr ? 10'000'000 : 300'000;
}

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// What the test sees of the streams; one test at a time has some.
struct Watched {
    std::atomic<std::int64_t> pages{0};
    std::atomic<int> alive{0};
};
Watched& watched() {
    static Watched all;
    return all;
}

class NumbersAsCsv final : public net::PieceStream {
public:
    explicit NumbersAsCsv(std::int64_t rows) : rows_(rows) { ++watched().alive; }
    ~NumbersAsCsv() override { --watched().alive; }

private:
    Task<void> next_piece(Context& context, std::string& text) override {
        if (next_ == rows_) co_return;
        const std::int64_t end = std::min(next_ + page_rows, rows_);
        Reader reader = context.reader();
        const auto page = co_await reader.many<CsvRow>(sql::numbers_between, next_, end);
        for (const CsvRow& row : page)
            loadstone::append_csv_record(text, {fmt::to_string(row.number), row.words});
        next_ = end;
        ++watched().pages;
    }

    const std::int64_t rows_;
    std::int64_t next_ = 0;
};

Task<net::Response> numbers(Context&) {
    net::Response response;
    response.content_type = "text/csv; charset=utf-8";
    response.stream = std::make_shared<NumbersAsCsv>(rows_of_test());
    co_return response;
}

// Reads a chunked answer in pieces, and keeps nothing of it but a row that is cut.
class CsvClient {
public:
    explicit CsvClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const int window = 64 * 1024;
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
        const timeval patience{20, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool connected =
            ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        EXPECT_TRUE(connected);
        constexpr std::string_view request = "GET /numbers.csv HTTP/1.1\r\nHost: a\r\n\r\n";
        EXPECT_EQ(::send(socket_, request.data(), request.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(request.size()));
    }
    CsvClient(const CsvClient&) = delete;
    CsvClient& operator=(const CsvClient&) = delete;
    ~CsvClient() { ::close(socket_); }

    // Until `rows` are there or the body has ended. False: the connection ended before.
    bool read_until(std::int64_t rows) {
        while (!ended_ && rows_ < rows) {
            const ssize_t bytes = ::recv(socket_, space_.data(), space_.size(), 0);
            if (bytes <= 0) return false;
            wire_.append(space_.data(), static_cast<std::size_t>(bytes));
            while (take_chunk()) {
            }
            if ((++reads_ & 31) == 0) resident_max_ = std::max(resident_max_, resident_bytes());
        }
        return true;
    }

    std::int64_t rows() const noexcept { return rows_; }
    bool in_order() const noexcept { return in_order_; }
    bool ended() const noexcept { return ended_; }
    std::size_t resident_max() const noexcept { return resident_max_; }

private:
    // One whole chunk from wire_, the head before it.
    bool take_chunk() {
        if (!head_read_) {
            const auto end = wire_.find("\r\n\r\n");
            if (end == std::string::npos) return false;
            EXPECT_TRUE(wire_.starts_with("HTTP/1.1 200 ")) << wire_.substr(0, end);
            EXPECT_NE(wire_.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
            wire_.erase(0, end + 4);
            head_read_ = true;
        }
        const auto line = wire_.find("\r\n");
        if (line == std::string::npos) return false;
        std::size_t size = 0;
        std::from_chars(wire_.data(), wire_.data() + line, size, 16);
        if (wire_.size() < line + 2 + size + 2) return false;
        take_rows(std::string_view(wire_).substr(line + 2, size));
        wire_.erase(0, line + 2 + size + 2);
        if (size == 0) ended_ = true;
        return !ended_;
    }
    void take_rows(std::string_view text) {
        row_ += text;
        std::size_t at = 0;
        for (auto end = row_.find("\r\n"); end != std::string::npos; end = row_.find("\r\n", at)) {
            const std::string expected =
                fmt::format(R"({},"a row of some length, as rows are")", rows_);
            in_order_ = in_order_ && std::string_view(row_).substr(at, end - at) == expected;
            ++rows_;
            at = end + 2;
        }
        row_.erase(0, at);
    }

    int socket_;
    std::array<char, 32 * 1024> space_;
    std::string wire_, row_;
    bool head_read_ = false, ended_ = false, in_order_ = true;
    std::int64_t rows_ = 0, reads_ = 0;
    std::size_t resident_max_ = 0;
};

class CsvStream : public Conformance {
protected:
    CsvStream() {
        std::vector<std::unique_ptr<net::Route>> routes;
        net::Routes own("conformance", routes);
        own.get("/numbers.csv", numbers).open_to_all();
        net::HttpOptions options;
        options.port = 0;
        server_ = std::make_unique<net::HttpServer>(options, std::move(routes), net::Bulkheads{},
                                                    net::SessionResolver{}, store().loops(),
                                                    store().services(), store().registry());
        server_->listen();
        server_->start();
        watched().pages = 0;
        store().run(item_count);
    }
    ~CsvStream() override { server_.reset(); }

    // The server reads nothing more: no page for a while.
    bool comes_to_rest() {
        std::int64_t pages = -1;
        auto since = Clock::now();
        return wait_until([&] {
            const std::int64_t now = watched().pages;
            if (now != std::exchange(pages, now)) since = Clock::now();
            return Clock::now() - since > std::chrono::milliseconds(300);
        });
    }

    std::unique_ptr<net::HttpServer> server_;
};

}  // namespace

TEST_P(CsvStream, FastClientGetsEveryRowInFlatMemory) {
    {
        CsvClient warm(server_->port());
        ASSERT_TRUE(warm.read_until(10 * page_rows));
    }
    ASSERT_TRUE(wait_until([] { return watched().alive == 0; }));
    const std::size_t before = resident_bytes();
    CsvClient client(server_->port());
    EXPECT_TRUE(client.read_until(rows_of_test() + 1));
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(client.in_order());
    EXPECT_EQ(client.rows(), rows_of_test());
    EXPECT_LT(client.resident_max(), before + growth_max);
}

TEST_P(CsvStream, SlowClientHoldsBackTheDatabaseAndNobodyElse) {
    const std::size_t before = resident_bytes();
    CsvClient client(server_->port());
    std::int64_t items = 0;
    for (const std::int64_t rows : {std::int64_t{1}, 20 * page_rows, 40 * page_rows}) {
        ASSERT_TRUE(client.read_until(rows));
        ASSERT_TRUE(comes_to_rest());
        // What the kernel keeps of a connection, some 100,000 rows, and no more.
        EXPECT_LT(watched().pages * page_rows, client.rows() + 220'000);
        EXPECT_LT(watched().pages * page_rows, rows_of_test());
        store().run(add_item, fmt::format("at {}", rows), std::int64_t{1});
        EXPECT_EQ(store().run(item_count), ++items);
        EXPECT_LT(resident_bytes(), before + growth_max);
    }
    EXPECT_TRUE(client.read_until(rows_of_test() + 1));
    EXPECT_TRUE(client.in_order());
    EXPECT_EQ(client.rows(), rows_of_test());
}

TEST_P(CsvStream, ClientThatGoesAwayEndsIt) {
    {
        CsvClient client(server_->port());
        ASSERT_TRUE(client.read_until(5 * page_rows));
    }
    EXPECT_TRUE(wait_until([] { return watched().alive == 0; }));
    EXPECT_LT(watched().pages * page_rows, rows_of_test());
    EXPECT_EQ(store().run(item_count), 0);
}

LOADSTONE_ON_EVERY_BACKEND(CsvStream);

}  // namespace tests::conformance
