#include "loadstone/net/http_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "loadstone/base/assert.h"
#include "loadstone/base/log.h"
#include "loadstone/base/log_throttle.h"
#include "loadstone/net/internal/connection.h"
#include "loadstone/net/internal/loop_state.h"
#include "loadstone/net/internal/server_state.h"
#include "loadstone/runtime/task_scope.h"

namespace loadstone::net {

using internal::Connection;
using internal::ConnectionCount;
using internal::ErrorCode;
using internal::LoopExecutor;
using internal::LoopState;
using internal::ServerState;
using internal::Socket;
using internal::asio::ip::tcp;

namespace {

namespace asio = internal::asio;
using Acceptor = asio::basic_socket_acceptor<tcp, LoopExecutor>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, LoopExecutor>;

// After a failure to accept for want of descriptors or memory.
constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::chrono::seconds accept_complaint{10};
// For what is cancelled at the end of a drain.
constexpr std::chrono::milliseconds cancel_wait{2'000};
// For what still runs when the server is destroyed without having been drained.
constexpr std::chrono::seconds abort_wait{10};

void share_port(Acceptor& acceptor, ErrorCode& error) {
    const int on = 1;
    if (::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
        error.assign(errno, boost::system::system_category());
    }
}

Error cannot_listen(const tcp::endpoint& at, const ErrorCode& error) {
    return Error(Errc::unavailable,
                 fmt::format("cannot listen on {} port {}: {}", at.address().to_string(), at.port(),
                             error.message()));
}

LoopExecutor loop_executor(const runtime::Loops& loops, int index) {
    const runtime::Executor executor = loops.executor(index);
    const auto* native = executor.target<LoopExecutor>();
    LOADSTONE_ASSERT(native != nullptr, "a loop's executor is that of an io_context");
    return *native;
}

// Errors after which the next accept may do as well as the last one.
bool is_shortage(const ErrorCode& error) noexcept {
    return error.value() == EMFILE || error.value() == ENFILE || error.value() == ENOBUFS ||
           error.value() == ENOMEM;
}

// An IPv4 address that came through an IPv6 socket is written as what it is.
std::string address_text(const tcp::endpoint& peer) {
    const auto address = peer.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    }
    return address.to_string();
}

// The part of a server that runs on one loop.
struct LoopServer {
    LoopServer(ServerState& server, const runtime::Loops& all_loops, runtime::TaskScope& scope,
               int index)
        : state(server, index, loop_executor(all_loops, index)),
          loops(all_loops),
          tasks(scope),
          acceptor(state.executor),
          pause(state.executor),
          tick(state.executor) {}

    Task<void> accept();
    Task<void> watch();
    template <class Work>
    void for_each_connection(Work work);
    void stop_accepting();
    void stop_watching();
    void take(Socket socket, const tcp::endpoint& peer);

    LoopState state;
    const runtime::Loops& loops;
    runtime::TaskScope& tasks;
    Acceptor acceptor;
    Timer pause;
    Timer tick;
    log::Throttle complaints{accept_complaint};
    bool accepting = true;
    bool watching = true;
};

template <class Work>
void LoopServer::for_each_connection(Work work) {
    for (Connection* connection = state.connections.first(); connection != nullptr;) {
        Connection* const next = internal::ConnectionList::next(*connection);
        work(*connection);
        connection = next;
    }
}

void LoopServer::stop_accepting() {
    accepting = false;
    ErrorCode ignored;
    acceptor.close(ignored);
    pause.cancel();
}

void LoopServer::stop_watching() {
    watching = false;
    tick.cancel();
}

Task<void> LoopServer::accept() {
    state.shard = &state.server.registry.shard();
    while (accepting) {
        tcp::endpoint peer;
        auto [error, socket] = co_await acceptor.async_accept(peer, internal::as_result);
        if (!accepting) break;
        if (!error) {
            take(std::move(socket), peer);
            continue;
        }
        // Others are of the one connection (ECONNABORTED): the next one is tried at once.
        if (!is_shortage(error)) continue;
        state.server.counters.accept_failed.add();
        if (const auto unsaid = complaints.take(runtime::Clock::now())) {
            log::error("connections cannot be accepted: is the limit of open files too low?",
                       {{"loop", state.index}, {"error", error.message()}, {"unsaid", *unsaid}});
        }
        pause.expires_after(accept_pause);
        co_await pause.async_wait(internal::as_result);
    }
}

void LoopServer::take(Socket socket, const tcp::endpoint& peer) {
    internal::ServerCounters& counters = state.server.counters;
    counters.accepted.add();
    std::string address = address_text(peer);
    switch (state.server.connections.take(address)) {
        case ConnectionCount::Verdict::full: counters.connections_full.add(); return;
        case ConnectionCount::Verdict::address_full: counters.address_full.add(); return;
        case ConnectionCount::Verdict::taken: break;
    }
    ErrorCode ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const auto connection =
        std::make_shared<Connection>(state, std::move(socket), std::move(address));
    tasks.spawn(loops.span_executor(state.index, connection->slot()), connection->run(),
                connection);
}

Task<void> LoopServer::watch() {
    while (watching) {
        tick.expires_after(LoopState::tick);
        co_await tick.async_wait(internal::as_result);
        state.advance();
        for_each_connection(
            [this](Connection& connection) { connection.end_if_due(state.now_ms()); });
    }
}

}  // namespace

struct HttpServer::Impl {
    Impl(HttpOptions options, std::vector<std::unique_ptr<Route>> routes,
         const Bulkheads& bulkheads, SessionResolver sessions, runtime::Loops& all_loops,
         const runtime::Services& services, telemetry::Registry& registry)
        : state(std::move(options), std::move(routes), bulkheads, std::move(sessions), services,
                registry),
          loops(all_loops) {
        for (int i = 0; i < loops.size(); ++i) servers.emplace_back(state, loops, connections, i);
        registry.gauge(this, "loadstone_http_connections", "", "Connections that are open",
                       [this] { return static_cast<double>(state.connections.now()); });
    }
    ~Impl() {
        stop();
        state.registry.remove_gauges(this);
    }

    tcp::endpoint endpoint() const;
    // With several loops the port is shared, which would let a second server have it too: so it is
    // taken alone first.
    void check_free(const tcp::endpoint& at);
    void listen(Acceptor& acceptor, const tcp::endpoint& at, bool is_shared);
    // From a thread that is none of the loops; true when it has run on all of them in time.
    template <class Work>
    bool on_each_loop(Work work, runtime::Deadline deadline);
    void stop();

    ServerState state;
    runtime::Loops& loops;
    // Joined in the order: connections, and when none is left to be timed, the loops' own tasks.
    runtime::TaskScope connections{"http connections"};
    runtime::TaskScope background{"http server"};
    std::deque<LoopServer> servers;
    std::uint16_t port = 0;
};

tcp::endpoint HttpServer::Impl::endpoint() const {
    const std::string& text = state.options.address;
    ErrorCode error;
    const auto address = asio::ip::make_address(text == "localhost" ? "127.0.0.1" : text, error);
    if (error) {
        throw Error(Errc::invalid_argument,
                    fmt::format("'{}' is not an IP address to listen on", text));
    }
    return {address, state.options.port};
}

void HttpServer::Impl::listen(Acceptor& acceptor, const tcp::endpoint& at, bool is_shared) {
    ErrorCode error;
    acceptor.open(at.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error && is_shared) share_port(acceptor, error);
    if (!error) acceptor.bind(at, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw cannot_listen(at, error);
}

// Not by an acceptor: an epoll instance may hold its closed socket, and with it the port, a moment
// longer.
void HttpServer::Impl::check_free(const tcp::endpoint& at) {
    const int socket = ::socket(at.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    const bool is_free = socket >= 0 &&
                         ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                         ::bind(socket, at.data(), static_cast<socklen_t>(at.size())) == 0 &&
                         ::listen(socket, 1) == 0;
    const int error = errno;
    if (socket >= 0) ::close(socket);
    if (!is_free) throw cannot_listen(at, ErrorCode(error, boost::system::system_category()));
}

template <class Work>
bool HttpServer::Impl::on_each_loop(Work work, runtime::Deadline deadline) {
    struct Latch {
        std::mutex mutex;
        std::condition_variable changed;
        std::size_t left;
    };
    const auto latch = std::make_shared<Latch>();
    latch->left = servers.size();
    for (LoopServer& server : servers) {
        loops.post(server.state.index, [&server, work, latch] {
            work(server);
            const std::lock_guard lock(latch->mutex);
            --latch->left;
            latch->changed.notify_all();
        });
    }
    std::unique_lock lock(latch->mutex);
    return latch->changed.wait_until(lock, deadline.instant(),
                                     [&latch] { return latch->left == 0; });
}

// Nothing runs any more if the loops have been stopped before.
void HttpServer::Impl::stop() {
    if (connections.running() + background.running() == 0) return;
    const runtime::Deadline deadline = runtime::Deadline::in(abort_wait);
    state.draining.store(true, std::memory_order_relaxed);
    const auto abort_all = [](LoopServer& server) {
        server.stop_accepting();
        server.for_each_connection([](Connection& connection) { connection.abort(); });
    };
    on_each_loop(abort_all, deadline);
    connections.join_blocking(deadline);
    on_each_loop([](LoopServer& server) { server.stop_watching(); }, deadline);
    background.join_blocking(deadline);
}

HttpServer::HttpServer(HttpOptions options, std::vector<std::unique_ptr<Route>> routes,
                       Bulkheads bulkheads, SessionResolver sessions, runtime::Loops& loops,
                       const runtime::Services& services, telemetry::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(routes), bulkheads,
                                   std::move(sessions), loops, services, registry)) {}

HttpServer::~HttpServer() = default;

void HttpServer::listen() {
    Impl& impl = *impl_;
    LOADSTONE_ASSERT(impl.port == 0, "a server listens once");
    tcp::endpoint at = impl.endpoint();
    const bool is_shared = impl.servers.size() > 1;
    if (is_shared && at.port() != 0) impl.check_free(at);
    for (LoopServer& server : impl.servers) {
        impl.listen(server.acceptor, at, is_shared);
        at.port(server.acceptor.local_endpoint().port());
    }
    impl.port = at.port();
}

void HttpServer::start() {
    Impl& impl = *impl_;
    if (impl.port == 0) listen();
    for (LoopServer& server : impl.servers) {
        impl.background.spawn(server.state.executor, server.accept());
        impl.background.spawn(server.state.executor, server.watch());
    }
}

std::string heavy_bulkhead(std::string_view module) { return std::string(module) + ".heavy"; }

std::uint16_t HttpServer::port() const noexcept { return impl_->port; }

bool HttpServer::drain(runtime::Deadline deadline) {
    LOADSTONE_ASSERT(runtime::Loops::current() < 0, "a loop cannot wait for its own connections");
    Impl& impl = *impl_;
    impl.state.draining.store(true, std::memory_order_relaxed);
    const auto begin = [](LoopServer& server) {
        server.stop_accepting();
        server.for_each_connection([](Connection& connection) { connection.drain(); });
    };
    impl.on_each_loop(begin, deadline);
    if (impl.connections.join_blocking(deadline)) return true;
    // What still runs is cancelled; what cannot be cancelled is not waited for.
    log::warning("requests that did not end in time are cancelled",
                 {{"connections", impl.connections.running()}});
    const auto end = [](LoopServer& server) {
        server.for_each_connection([](Connection& connection) { connection.abort(); });
    };
    const runtime::Deadline last = runtime::Deadline::in(cancel_wait);
    impl.on_each_loop(end, last);
    return impl.connections.join_blocking(last);
}

}  // namespace loadstone::net
