// Requests at random times (a Poisson process), as from people who know nothing of each other. wrk
// asks in a closed loop, and its pauses are of whole milliseconds, so that all who pause come at
// once.
//
//     arrivals PORT PATH KEYS CONNECTIONS RATE SECONDS PATTERN
//
// "{}" in PATH stands for a number from 1 to KEYS. Of RATE requests a second each connection has
// its share. An answer is right if its status is 200 and PATTERN is in it. A request's time counts
// from when it was due if the answer before was still out, and else from when it was sent. A
// connection that waits for an answer 10 s after SECONDS is an error. Prints RESULT and a JSON
// object, as measure.py has wrk do.

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::use_awaitable;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{10};

struct Load {
    asio::ip::tcp::endpoint server;
    std::string path, pattern;
    unsigned long keys = 1, connections = 1;
    double rate = 1;  // of one connection, a second
    Clock::time_point until;

    std::mt19937_64 random{std::random_device{}()};
    std::vector<long> us;
    long wrong = 0, errors = 0;
    unsigned long under_way = 0;  // connections
};

std::string path_of(Load& load) {
    std::string path = load.path;
    if (const auto at = path.find("{}"); at != std::string::npos)
        path.replace(at, 2, std::to_string(1 + load.random() % load.keys));
    return path;
}

Clock::duration gap(Load& load) {
    const std::chrono::duration<double> seconds(
        std::exponential_distribution<double>(load.rate)(load.random));
    return std::chrono::duration_cast<Clock::duration>(seconds);
}

asio::awaitable<void> ask(Load& load) {
    asio::ip::tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(load.server, use_awaitable);
    socket.set_option(asio::ip::tcp::no_delay(true));
    asio::steady_timer timer(socket.get_executor());
    boost::beast::flat_buffer buffer;
    for (auto due = Clock::now() + gap(load); due < load.until; due += gap(load)) {
        auto begun = due;
        if (Clock::now() < due) {
            timer.expires_at(due);
            co_await timer.async_wait(use_awaitable);
            begun = Clock::now();
        }
        http::request<http::empty_body> request(http::verb::get, path_of(load), 11);
        request.set(http::field::host, "127.0.0.1");
        co_await http::async_write(socket, request, use_awaitable);
        http::response<http::string_body> answer;
        co_await http::async_read(socket, buffer, answer, use_awaitable);
        load.us.push_back(static_cast<long>(
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun).count()));
        if (answer.result() != http::status::ok ||
            answer.body().find(load.pattern) == std::string::npos)
            ++load.wrong;
    }
}

long percentile(const std::vector<long>& sorted, double share) {
    if (sorted.empty()) return 0;
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 8) {
        std::fputs("usage: arrivals PORT PATH KEYS CONNECTIONS RATE SECONDS PATTERN\n", stderr);
        return 2;
    }
    Load load;
    const auto number = [&](int at) { return std::strtoul(arguments[at], nullptr, 10); };
    load.server = {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(number(1))};
    load.path = arguments[2];
    load.keys = std::max(1UL, number(3));
    load.connections = std::max(1UL, number(4));
    load.rate = static_cast<double>(number(5)) / static_cast<double>(load.connections);
    load.pattern = arguments[7];
    const auto begun = Clock::now();
    load.until = begun + std::chrono::seconds(number(6));
    asio::io_context loop;
    for (unsigned long each = 0; each < load.connections; ++each)
        asio::co_spawn(loop, ask(load), [&load](const std::exception_ptr& failed) {
            --load.under_way;
            if (failed) ++load.errors;
        });
    load.under_way = load.connections;
    loop.run_until(load.until + patience);
    load.errors += static_cast<long>(load.under_way);
    std::ranges::sort(load.us);
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
    std::printf(
        "RESULT {\"requests\":%zu,\"us\":%lld,\"wrong\":%ld,\"errors\":%ld,\"p50_us\":%ld,"
        "\"p99_us\":%ld}\n",
        load.us.size(), static_cast<long long>(us.count()), load.wrong, load.errors,
        percentile(load.us, 0.5), percentile(load.us, 0.99));
}
