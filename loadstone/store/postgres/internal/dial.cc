// Connector: one try.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/store/postgres/internal/connector.h"
#include "loadstone/store/postgres/internal/sqlstate.h"
#include "loadstone/store/postgres/internal/wakeup.h"

namespace loadstone::store::postgres {

namespace asio = boost::asio;

namespace {

std::vector<std::string> split(const std::string* list) {
    std::vector<std::string> parts;
    if (list == nullptr) return parts;
    std::size_t at = 0;
    for (;;) {
        const auto comma = list->find(',', at);
        parts.push_back(list->substr(at, comma == std::string::npos ? comma : comma - at));
        if (comma == std::string::npos) return parts;
        at = comma + 1;
    }
}

const std::string& element(const std::vector<std::string>& list, std::size_t index) {
    static const std::string none;
    if (list.empty()) return none;
    return list[std::min(index, list.size() - 1)];
}

bool needs_resolving(const std::string& host) {
    if (host.empty() || host.front() == '/' || host.front() == '@') return false;  // Unix socket
    boost::system::error_code not_an_address;
    asio::ip::make_address(host, not_an_address);
    return static_cast<bool>(not_an_address);
}

void log_notice(void* /*nothing*/, const PGresult* result) {
    if (!log::enabled(log::Level::debug)) return;
    const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    log::debug("a notice from the database", {{"notice", text == nullptr ? "" : text}});
}

}  // namespace

// libpq would resolve names itself, blocking, and share one timeout among all hosts; so each host
// and address becomes a set of parameters of its own.
Task<std::vector<Parameters>> Connector::endpoints() {
    const auto hosts = split(find(parameters_, "host"));
    const auto addresses = split(find(parameters_, "hostaddr"));
    const auto ports = split(find(parameters_, "port"));
    const std::size_t count = std::max<std::size_t>(1, std::max(hosts.size(), addresses.size()));
    std::vector<Parameters> all;
    std::optional<Error> failure;
    for (std::size_t i = 0; i < count; ++i) {
        if (may_use_ && !may_use_(i)) continue;
        Parameters endpoint = parameters_;
        const std::string& host = element(hosts, i);
        if (!hosts.empty()) set(endpoint, "host", host);
        if (!ports.empty()) set(endpoint, "port", element(ports, i));
        if (!addresses.empty()) set(endpoint, "hostaddr", element(addresses, i));
        if (!addresses.empty() || !needs_resolving(host)) {
            all.push_back(std::move(endpoint));
            continue;
        }
        try {
            const auto resolved = co_await resolve(host);
            for (const std::string& address : resolved) {
                set(endpoint, "hostaddr", address);
                all.push_back(endpoint);
            }
        } catch (const Error& error) {
            failure = error;
        }
    }
    if (all.empty() && failure) throw std::move(*failure);
    if (all.empty())
        throw unavailable(
            fmt::format("of the servers at {} none is known to be the primary", shown_));
    const auto was_good = std::ranges::find_if(
        all, [&](const Parameters& endpoint) { return last_good_ == name_of(endpoint); });
    if (was_good != all.end()) std::rotate(all.begin(), was_good, was_good + 1);
    co_return all;
}

Task<std::vector<std::string>> Connector::resolve(const std::string& host) {
    struct Resolving {
        explicit Resolving(const asio::any_io_executor& executor)
            : resolver(executor), timer(executor) {}
        asio::ip::tcp::resolver resolver;
        asio::steady_timer timer;
        Wakeup* waiting = nullptr;
        bool is_done = false;
        boost::system::error_code error;
        std::vector<std::string> addresses;
        void wake() {
            if (waiting != nullptr) std::exchange(waiting, nullptr)->wake();
        }
    };
    const auto executor = co_await asio::this_coro::executor;
    const auto state = std::make_shared<Resolving>(executor);
    Wakeup wakeup;
    state->waiting = &wakeup;
    state->timer.expires_at(Deadline::in(connect_timeout_).instant());
    state->timer.async_wait([state](const boost::system::error_code&) { state->wake(); });
    state->resolver.async_resolve(
        host, "", [state](const boost::system::error_code& error, const auto& results) {
            state->is_done = true;
            state->error = error;
            for (const auto& result : results) {
                std::string address = result.endpoint().address().to_string();
                if (std::ranges::find(state->addresses, address) == state->addresses.end()) {
                    state->addresses.push_back(std::move(address));
                }
            }
            state->timer.cancel();
            state->wake();
        });
    co_await wakeup.wait();
    if (!state->is_done || state->error || state->addresses.empty()) {
        const std::string why = !state->is_done ? "no answer in time"
                                : state->error  ? state->error.message()
                                                : "no address";
        throw unavailable(fmt::format("the database host '{}' cannot be resolved: {}", host, why));
    }
    co_return state->addresses;
}

Task<ConnectionHandle> Connector::dial(const Parameters& parameters, Deadline deadline) {
    const ParameterArrays arrays(parameters);
    ConnectionHandle connection(
        PQconnectStartParams(arrays.keywords.data(), arrays.values.data(), 0));
    if (connection == nullptr) throw std::bad_alloc();
    PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);  // with the SQLSTATE
    const auto failure = [&](std::string_view what) {
        return unavailable(fmt::format("the database at {} cannot be reached: {}", shown_, what));
    };
    if (PQstatus(connection.get()) == CONNECTION_BAD) {
        throw failure(connection_message(connection.get()));
    }
    PQsetNoticeReceiver(connection.get(), &log_notice, nullptr);
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED) throw failure(connection_message(connection.get()));
        const bool for_writing = next == PGRES_POLLING_WRITING;
        // libpq may change its socket at each step, so nothing is kept of it in between.
        const bool is_ready =
            co_await wait_socket(PQsocket(connection.get()), for_writing, deadline);
        if (!is_ready) throw failure("no answer in time");
        next = PQconnectPoll(connection.get());
    }
    PQsetErrorVerbosity(connection.get(), PQERRORS_DEFAULT);
    if (PQsetnonblocking(connection.get(), 1) != 0 || PQenterPipelineMode(connection.get()) != 1) {
        throw failure(connection_message(connection.get()));
    }
    if (PQserverVersion(connection.get()) < 150'000) {
        throw failure(fmt::format("it is PostgreSQL {}, at least 15 is needed",
                                  PQserverVersion(connection.get()) / 10'000));
    }
    co_return connection;
}

Task<bool> Connector::wait_socket(int socket, bool for_writing, Deadline deadline) {
    struct Waiting {
        Waiting(const asio::any_io_executor& executor, int handle)
            : descriptor(executor, handle), timer(executor) {}
        ~Waiting() { descriptor.release(); }
        asio::posix::stream_descriptor descriptor;
        asio::steady_timer timer;
    };
    using Descriptor = asio::posix::stream_descriptor;
    const auto executor = co_await asio::this_coro::executor;
    const auto direction = for_writing ? Descriptor::wait_write : Descriptor::wait_read;
    for (;;) {
        const auto now = Deadline::Clock::now();
        if (now >= deadline.instant() || is_stopped_.load(std::memory_order_relaxed))
            co_return false;
        const auto state = std::make_shared<Waiting>(executor, socket);
        state->timer.expires_at(std::min(deadline.instant(), now + std::chrono::milliseconds(100)));
        state->timer.async_wait([state](const boost::system::error_code& error) {
            boost::system::error_code ignored;
            if (!error && state->descriptor.is_open()) state->descriptor.cancel(ignored);
        });
        boost::system::error_code error;
        co_await state->descriptor.async_wait(direction,
                                              asio::redirect_error(asio::use_awaitable, error));
        // The timer's handler may keep the state for a while; the socket is libpq's again now.
        state->descriptor.release();
        state->timer.cancel();
        if (error != asio::error::operation_aborted) co_return true;
    }
}

}  // namespace loadstone::store::postgres
